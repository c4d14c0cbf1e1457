// Narrowing by the histogram: a click on one bar, or a drag over several. Without a script the table below has the same links.
export function startHistogram() {
  const chart = document.querySelector(".histogram svg");
  if (!chart) return;
  const SVG = "http://www.w3.org/2000/svg";
  let from = null;
  let brush = null;
  const at = (event) => {
    const box = chart.getBoundingClientRect();
    return Math.min(960, Math.max(0, ((event.clientX - box.left) / box.width) * 960));
  };
  chart.addEventListener("pointerdown", (event) => { if (event.button === 0) { from = at(event); event.preventDefault(); } });
  window.addEventListener("pointermove", (event) => {
    if (from === null || Math.abs(at(event) - from) < 6) return;
    if (!brush) { brush = document.createElementNS(SVG, "rect"); brush.setAttribute("class", "brush"); brush.setAttribute("height", "120"); chart.append(brush); }
    brush.setAttribute("x", Math.min(from, at(event)));
    brush.setAttribute("width", Math.abs(at(event) - from));
  });
  window.addEventListener("pointerup", (event) => {
    if (from !== null && brush) {
      const [low, high] = [from, at(event)].sort((a, b) => a - b);
      const bars = [...chart.querySelectorAll("[data-narrow]")].filter((bar) => {
        const column = bar.querySelector(".column");
        const middle = Number(column.getAttribute("x")) + Number(column.getAttribute("width")) / 2;
        return middle >= low && middle <= high;
      });
      brush.remove();
      if (bars.length) {
        const first = new URL(bars[0].dataset.narrow, location.href);
        const last = new URL(bars.at(-1).dataset.narrow, location.href);
        first.searchParams.set("a", last.searchParams.get("a"));
        location.assign(first);
      }
    }
    else if (from !== null) {
      const bar = event.target.closest?.("[data-narrow]");
      if (bar) location.assign(new URL(bar.dataset.narrow, location.href));
    }
    from = null;
    brush = null;
  });
}
