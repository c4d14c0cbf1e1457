// What the phone shows. Text only ever goes in as text.
import { providerSeconds } from "/assets/phone-api.js";

const root = document.getElementById("phone");
const messages = JSON.parse(root.dataset.messages);
const language = document.documentElement.lang;

export function text(key, values = {}) {
  return messages[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function show(panel, focus) {
  for (const section of root.querySelectorAll("[data-panel]")) section.hidden = section.dataset.panel !== panel;
  if (focus) document.getElementById(focus).focus();
}

export const current = () => root.querySelector("[data-panel]:not([hidden])").dataset.panel;

export function showOffline(isOffline) {
  document.getElementById("offline").hidden = !isOffline;
}

export function showError(form, message) {
  const place = form.querySelector("[data-error]");
  place.textContent = message;
  place.hidden = !message;
  if (message) place.scrollIntoView({ block: "nearest" });
}

// "Firefox sur Windows"; the names are the makers' own.
export function describeBrowser(agent) {
  const browser = [["Edg", "Edge"], ["OPR", "Opera"], ["Firefox", "Firefox"], ["Chrom", "Chrome"], ["Safari", "Safari"]].find(([mark]) => agent.includes(mark))?.[1];
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS X", "macOS"], ["CrOS", "ChromeOS"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark))?.[1];
  if (browser && system) return text("browser.on", { browser, system });
  return browser ?? system ?? (agent.slice(0, 60) || text("browser.unknown"));
}

// "São Paulo, Brésil": a country's name is known by the browser.
function describePlace({ place, country }) {
  const named = country && new Intl.DisplayNames(language, { type: "region", fallback: "code" }).of(country);
  return [place, named].filter(Boolean).join(", ") || text("question.place_unknown");
}

const fact = (name) => root.querySelector(`[data-fact="${name}"]`);

export function showQuestion(question, othersCount) {
  document.getElementById("question-title").textContent = text("question.title", { client: question.client_name });
  fact("structure").textContent = question.structure_name ?? text("question.structure_unknown");
  fact("place").textContent = describePlace(question);
  fact("address").textContent = question.source_ip;
  fact("browser").textContent = describeBrowser(question.user_agent);
  fact("browser").title = question.user_agent;
  for (const part of root.querySelectorAll("[data-only]")) part.hidden = part.dataset.only !== question.kind;
  fact("eyebrow").textContent = text(question.kind === "service" ? "question.eyebrow_service" : "question.eyebrow");
  fact("binding").textContent = question.binding_message ?? text("question.binding_none");
  fact("registered").textContent = question.registered_on ? text("question.by_itself", { date: question.registered_on }) : "";
  showList("scope", question.scope);
  showList("details", question.details);
  const asked = new Date(question.requested_at);
  fact("when").dateTime = question.requested_at;
  fact("when").title = asked.toISOString();
  const form = document.getElementById("answer");
  form.reset();
  showError(form, "");
  question.choices.forEach((choice, index) => {
    const tile = form.querySelectorAll(".tile")[index];
    tile.querySelector("input").value = choice;
    tile.querySelector("span").textContent = choice;
  });
  showOthers(othersCount);
  showTimes(question);
  show("question", "question-title");
}

function showList(name, lines) {
  const part = root.querySelector(`[data-list="${name}"]`);
  part.hidden = lines.length === 0;
  part.querySelector("ul").replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
}

export function showOthers(count) {
  document.getElementById("more").textContent = count > 0 ? text("question.more", { count }) : "";
}

const clock = new Intl.DateTimeFormat(language, { timeZone: "Europe/Paris", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });

export function showTimes(question) {
  const asked = new Date(question.requested_at);
  const age = Math.max(0, Math.round(providerSeconds() - asked / 1000));
  const ago = age < 60 ? relative.format(-age, "second") : relative.format(-Math.floor(age / 60), "minute");
  fact("when").textContent = `${clock.format(asked)}, ${ago.replaceAll(" ", "\u00a0")}`;
  fact("left").textContent = duration(Math.max(0, Math.round(new Date(question.expires_at) / 1000 - providerSeconds())));
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes}\u00a0min\u00a0${String(seconds % 60).padStart(2, "0")}\u00a0s` : `${seconds}\u00a0s`;
}

export function showDone(state) {
  document.getElementById("done-title").textContent = text(`done.${state}.title`);
  document.getElementById("done-text").textContent = text(`done.${state}.text`);
  show("done", "done-title");
}
