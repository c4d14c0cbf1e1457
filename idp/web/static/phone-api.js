// Speaks to the provider; every request of an enrolled phone is signed (method, address, time, number used once, body).
const encoder = new TextEncoder();
let clockOffset = null;

function base64url(bytes) {
  let text = "";
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const encoded = (value) => base64url(encoder.encode(JSON.stringify(value)));
const wallSeconds = () => Date.now() / 1000;

export class Refused extends Error {
  constructor(error, status, remaining) {
    super(error);
    this.error = error;
    this.status = status;
    this.remaining = remaining;
  }
}

// Seconds since 1970 by the provider's clock, as last heard.
export const providerSeconds = () => wallSeconds() + (clockOffset ?? 0);

function hear(now) {
  clockOffset = now - wallSeconds();
}

async function synchronise() {
  const answer = await fetch("/phone/api/time", { cache: "no-store" });
  hear((await answer.json()).now);
}

async function proof(device, method, path, body) {
  const header = { alg: "ES256", typ: "veilleur-device+jwt", kid: device.id };
  const payload = {
    htm: method,
    htu: location.origin + path,
    iat: Math.floor(providerSeconds()),
    jti: base64url(crypto.getRandomValues(new Uint8Array(16))),
    body_sha256: base64url(await crypto.subtle.digest("SHA-256", encoder.encode(body))),
  };
  const input = `${encoded(header)}.${encoded(payload)}`;
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, device.privateKey, encoder.encode(input));
  return `${input}.${base64url(signature)}`;
}

async function read(answer) {
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(document.error ?? "unexpected", answer.status, document.remaining);
  return document;
}

async function signed(device, method, path, document) {
  if (clockOffset === null) await synchronise();
  const body = document === undefined ? "" : JSON.stringify(document);
  const send = async () => {
    const headers = { Authorization: `Device ${await proof(device, method, path, body)}` };
    if (body) headers["Content-Type"] = "application/json";
    return fetch(path, { method, headers, body: body || undefined, cache: "no-store" });
  };
  let answer = await send();
  if (answer.status === 401) {
    // Our idea of the provider's clock may be old: hear it again, once.
    await synchronise();
    answer = await send();
  }
  return read(answer);
}

export async function enrol(document) {
  const headers = { "Content-Type": "application/json" };
  return read(await fetch("/phone/api/devices", { method: "POST", headers, body: JSON.stringify(document) }));
}

export async function waiting(device) {
  const { approvals, now } = await signed(device, "GET", "/phone/api/approvals");
  hear(now);
  return approvals;
}

export const answer = (device, approvalId, document) =>
  signed(device, "POST", `/phone/api/approvals/${encodeURIComponent(approvalId)}`, document);
