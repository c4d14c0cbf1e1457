// Follows a question's state without reloading; any other state than the first two is shown by the server's own page.
const PERIOD_MS = 1500;
const STEPS = ["requested", "seen", "approved"];

const progress = document.getElementById("progress");
const announce = document.getElementById("announce");
const left = document.getElementById("left");
const offline = document.getElementById("offline");
let endsAt = performance.now() + Number(progress.dataset.seconds) * 1000;
let shown = progress.dataset.state;

function showLeft() {
  const seconds = Math.max(0, Math.round((endsAt - performance.now()) / 1000));
  const minutes = Math.floor(seconds / 60);
  const text = minutes ? `${minutes}\u00a0min\u00a0${String(seconds % 60).padStart(2, "0")}\u00a0s` : `${seconds}\u00a0s`;
  left.textContent = progress.dataset.left.replace("{time}", text) + ".";
  left.hidden = false;
}

function showState(state) {
  if (state === shown) return;
  shown = state;
  const reached = STEPS.indexOf(state);
  for (const item of progress.querySelectorAll("[data-step]")) {
    const index = STEPS.indexOf(item.dataset.step);
    item.className = index <= reached ? "reached" : "ahead";
    if (index === reached) {
      item.setAttribute("aria-current", "step");
      announce.textContent = item.textContent;
    } else item.removeAttribute("aria-current");
  }
}

async function follow() {
  try {
    const answer = await fetch(progress.dataset.stateUrl, { headers: { Accept: "application/json" }, cache: "no-store" });
    const { state, seconds_left: seconds } = await answer.json();
    offline.hidden = true;
    if (state !== "requested" && state !== "seen") {
      showState(state);
      location.replace(location.pathname);
      return;
    }
    endsAt = performance.now() + seconds * 1000;
    showState(state);
  } catch {
    offline.hidden = false;
  }
  setTimeout(follow, PERIOD_MS);
}

showLeft();
setInterval(showLeft, 1000);
setTimeout(follow, PERIOD_MS);
