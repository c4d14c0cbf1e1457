// Goes back to the service once every frame is loaded, or after four seconds; without script a link and the page's own refresh do.
const PATIENCE_MS = 4000;
const link = document.getElementById("continue");

function go() {
  location.replace(link.href);
}

if (document.readyState === "complete") go();
else {
  addEventListener("load", go);
  setTimeout(go, PATIENCE_MS);
}
