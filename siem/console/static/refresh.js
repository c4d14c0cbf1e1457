// A playbook that is advancing: the page is asked for again until it has stopped, never while someone is writing in it.
const AFTER_MS = 1500;

function writing() {
  return [...document.querySelectorAll("main textarea")].some((field) => field.value.trim() !== "");
}

export function startRefresh() {
  if (!document.querySelector("[data-refresh]")) return;
  setTimeout(() => {
    if (document.hidden || writing()) startRefresh();
    else location.reload();
  }, AFTER_MS);
}
