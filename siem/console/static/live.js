// Live counters. Nothing on the page moves by itself: new alerts are announced in a bar, and shown when the person says so.
export function startLive() {
  if (!window.EventSource) return;
  const bar = document.getElementById("nouveautes");
  const list = document.querySelector("[data-loaded]");
  const pause = document.querySelector("[data-pause]");
  let known = list ? Number(list.dataset.loaded) : null;
  let stream = null;

  const show = (counters) => {
    for (const badge of document.querySelectorAll("[data-counter]")) {
      const count = counters[badge.dataset.counter] ?? 0;
      badge.hidden = count === 0;
      badge.textContent = count;
    }
    if (known === null) known = counters.alertes;
    const fresh = counters.alertes - known;
    if (fresh > 0 && bar && (list || document.querySelector("[data-pause]"))) {
      bar.querySelector("p").textContent = fresh === 1 ? bar.dataset.one : bar.dataset.other.replace("{n}", fresh);
      bar.hidden = false;
    } else if (bar && fresh <= 0) {
      known = Math.min(known, counters.alertes);
      bar.hidden = true;
    }
  };
  const open = () => {
    stream = new EventSource("/flux");
    stream.addEventListener("compteurs", (event) => show(JSON.parse(event.data)));
    stream.addEventListener("error", () => { if (stream.readyState === EventSource.CLOSED) stream = null; });
  };
  const shut = () => { stream?.close(); stream = null; };

  bar?.querySelector("[data-apply]")?.addEventListener("click", () => window.location.reload());
  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      const paused = pause.getAttribute("aria-pressed") !== "true";
      pause.setAttribute("aria-pressed", String(paused));
      if (paused) { shut(); if (bar) bar.hidden = true; } else { open(); }
    });
  }
  // A hidden page holds no connection: browsers allow few per host.
  document.addEventListener("visibilitychange", () => {
    if (pause?.getAttribute("aria-pressed") === "true") return;
    if (document.hidden) shut(); else if (!stream) open();
  });
  if (!document.hidden) open();
}
