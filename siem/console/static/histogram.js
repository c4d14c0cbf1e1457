// Brushing: drag over the histogram to narrow to these bars. A click on one bar is an ordinary link and needs no script.
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
      const bars = [...chart.querySelectorAll("a")].filter((bar) => {
        const column = bar.querySelector(".column");
        const middle = Number(column.getAttribute("x")) + Number(column.getAttribute("width")) / 2;
        return middle >= low && middle <= high;
      });
      brush.remove();
      if (bars.length) {
        const first = new URL(bars[0].href.baseVal, location.href);
        const last = new URL(bars.at(-1).href.baseVal, location.href);
        first.searchParams.set("a", last.searchParams.get("a"));
        location.assign(first);
      }
    }
    from = null;
    brush = null;
  });
}
