// Single-key shortcuts, off by preference (WCAG 2.1.4) and never while typing.
const typing = (target) => target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");

export function startKeyboard() {
  if (document.documentElement.dataset.shortcuts === "off") return;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const action = ACTIONS[event.key];
    if (action && action() !== false) event.preventDefault();
  });
}

const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
const current = () => document.activeElement?.closest("[data-row]");
const opener = (row) => row?.querySelector("[data-open]");

function move(step) {
  const all = rows();
  if (all.length === 0) return false;
  const position = all.indexOf(current());
  const next = all[Math.min(all.length - 1, Math.max(0, position === -1 ? 0 : position + step))];
  (opener(next) ?? next.querySelector("a, input, summary"))?.focus();
  next.scrollIntoView({ block: "nearest" });
}

// On a list an action is about the ticked rows, or about the current row when none is ticked.
function press(key) {
  const button = document.querySelector(`[data-key="${key}"]`);
  if (!button) return false;
  const form = button.form;
  const boxes = [...form.querySelectorAll("input[name=alerte][type=checkbox]")];
  if (boxes.length && !boxes.some((box) => box.checked)) {
    const box = current()?.querySelector("input[name=alerte]");
    if (!box) return false;
    box.checked = true;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }
  form.requestSubmit(button);
}

// Closing needs a verdict: open the panel and go to it.
function close() {
  const verdict = document.querySelector("#verdict");
  const button = document.querySelector('[data-key="close"]');
  if (!verdict || !button) return false;
  const box = current()?.querySelector("input[name=alerte]");
  if (box && !box.form.querySelector("input[name=alerte]:checked")) { box.checked = true; box.dispatchEvent(new Event("change", { bubbles: true })); }
  const panel = verdict.closest("details");
  if (panel) panel.open = true;
  verdict.focus();
}

const ACTIONS = {
  j: () => move(1),
  k: () => move(-1),
  o: () => { const link = opener(current()); if (!link) return false; link.click(); },
  x: () => { const box = current()?.querySelector("input[name=alerte]"); if (!box) return false; box.click(); },
  a: () => press("assign"),
  i: () => press("escalate"),
  c: close,
  "/": () => { const field = document.querySelector("[data-search]"); if (!field) return false; field.focus(); field.select?.(); },
  "?": () => { document.getElementById("aide")?.showModal(); },
};

// Escape closes the panel of further actions and gives the focus back.
document.addEventListener("keydown", (event) => {
  const panel = event.key === "Escape" && document.querySelector("details.more[open]");
  if (panel) { panel.open = false; panel.querySelector("summary").focus(); }
});
