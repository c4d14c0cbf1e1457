// Session Management 1.0 §3.2: says whether the session that a service knows is still this browser's. Nothing is sent to a server.
const COOKIES = ["__Host-veilleur_state", "veilleur_idp_state"];
const SALTED = /^([0-9a-f]{64})\.([A-Za-z0-9_-]{16,64})$/;

async function sha256(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function browserState() {
  for (const pair of document.cookie.split("; ")) {
    const cut = pair.indexOf("=");
    if (COOKIES.includes(pair.slice(0, cut))) return pair.slice(cut + 1).split(".");
  }
  return ["", ""];
}

async function judge(message, origin) {
  const parts = typeof message === "string" ? message.split(" ") : [];
  if (parts.length !== 2 || !parts[0] || !parts[1]) return "error";
  // Blind is not the same as logged out: asking for a new login again and again would help nobody.
  if (document.hasStorageAccess && !(await document.hasStorageAccess())) return "error";
  const [clientId, sessionState] = parts;
  const [state, sessionHash] = browserState();
  const salted = SALTED.exec(sessionState);
  if (!salted) return (await sha256(sessionState)) === sessionHash ? "unchanged" : "changed";
  const expected = await sha256(`${clientId} ${origin} ${state} ${salted[2]}`);
  return expected === salted[1] ? "unchanged" : "changed";
}

addEventListener("message", async ({ data, origin, source }) => {
  // A frame without an origin of its own ("null") cannot be answered by name.
  if (!source || source === window || !/^https?:/.test(origin)) return;
  source.postMessage(await judge(data, origin), origin);
});
