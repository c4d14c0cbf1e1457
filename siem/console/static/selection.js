// Ticking rows: the count is said, and one box ticks the whole page.
export function startSelection() {
  const list = document.querySelector("form[data-list]");
  const all = list?.querySelector("[data-all]");
  const said = list?.querySelector("[data-selected]");
  if (!list || !all || !said) return;
  const boxes = [...list.querySelectorAll("input[name=alerte]")];
  const hint = said.textContent;
  all.hidden = false;
  const tell = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
    said.textContent = count === 0 ? hint : count === 1 ? said.dataset.one : said.dataset.other.replace("{n}", count);
  };
  all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; tell(); });
  list.addEventListener("change", (event) => { if (event.target.name === "alerte") tell(); });
  tell();
}
