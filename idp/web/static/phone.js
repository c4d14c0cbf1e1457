// The phone application: enrol once, then show one question at a time and answer it.
import * as key from "/assets/device-key.js";
import * as api from "/assets/phone-api.js";
import * as view from "/assets/phone-view.js";

const POLL_MS = 2000;
const CODE = "activation-code";
const PIN = /^[0-9]{4}$/;
const root = document.getElementById("phone");
const enrolForm = document.getElementById("enrol");
const answerForm = document.getElementById("answer");
let device;
let question;
let deciding = false;

async function begin() {
  if (!key.supported()) return view.show("unsupported");
  try {
    device = await key.load();
  } catch {
    return view.show("unsupported");
  }
  if (root.dataset.start === "enrol" || !device) beginEnrolment();
  else idle();
  setInterval(() => question && view.current() === "question" && view.showTimes(question), 1000);
  return poll();
}

function idle() {
  question = undefined;
  document.getElementById("device-name").textContent = view.text("idle.device", { name: device.name });
  view.show("idle");
}

function beginEnrolment() {
  const address = new URL(location.href);
  const code = address.searchParams.get("code") ?? sessionStorage.getItem(CODE) ?? "";
  enrolForm.elements.activation_code.value = code;
  enrolForm.elements.name.value = view.describeBrowser(navigator.userAgent);
  document.getElementById("replaces").hidden = !device;
  // A code in the address would stay in the history; kept here, it survives a change of language, not of tab.
  sessionStorage.setItem(CODE, code);
  if (address.searchParams.has("code")) history.replaceState(null, "", address.pathname);
  view.show("enrol");
}

function enrolFault({ activation_code: code, name, pin, pin_again: again }) {
  if (!code.value.trim()) return [code, "error.code"];
  if (!name.value.trim()) return [name, "error.name"];
  if (!PIN.test(pin.value)) return [pin, "error.pin"];
  if (pin.value !== again.value) return [again, "error.pin_different"];
  return undefined;
}

enrolForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = enrolForm.elements;
  const fault = enrolFault(fields);
  if (fault) {
    view.showError(enrolForm, view.text(fault[1]));
    return fault[0].focus();
  }
  return busy(enrolForm, async () => {
    const made = await key.newKey();
    const name = fields.name.value.trim();
    const { device_id: id } = await api.enrol({ activation_code: fields.activation_code.value, name, public_jwk: made.publicJwk, pin: fields.pin.value });
    device = { id, name, privateKey: made.privateKey };
    await key.keep(device);
    sessionStorage.removeItem(CODE);
    enrolForm.reset();
    history.replaceState(null, "", "/phone/");
    idle();
  });
});

answerForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const { choice, pin } = answerForm.elements;
  if (question.kind === "browser" && !choice.value) {
    view.showError(answerForm, view.text("error.choice"));
    return answerForm.querySelector("input[name=choice]").focus();
  }
  if (!PIN.test(pin.value)) {
    view.showError(answerForm, view.text("error.pin"));
    return pin.focus();
  }
  return decide("approve");
});

for (const button of answerForm.querySelectorAll("[data-decision]")) {
  button.addEventListener("click", () => decide(button.dataset.decision));
}

function decide(decision) {
  const { choice, pin } = answerForm.elements;
  const approving = decision === "approve";
  const document = { decision, challenge: question.challenge, choice: approving ? choice.value : "", pin: approving ? pin.value : "" };
  deciding = true;
  return busy(answerForm, async () => {
    const { state } = await api.answer(device, question.id, document);
    question = undefined;
    view.showDone(state);
  });
}

// Runs one action with the form's buttons held, and says in words what was refused.
async function busy(form, action) {
  const buttons = [...form.querySelectorAll("button")];
  view.showError(form, "");
  for (const button of buttons) button.disabled = true;
  try {
    await action();
  } catch (error) {
    refused(form, error);
  } finally {
    for (const button of buttons) button.disabled = false;
    deciding = false;
  }
}

function refused(form, error) {
  if (!(error instanceof api.Refused)) return view.showError(form, view.text("error.offline"));
  if (error.error === "device_blocked") return view.show("blocked");
  if (error.error === "invalid_device_request") return view.show("unknown");
  if (error.status === 409 || error.status === 404) {
    question = undefined;
    return view.showDone("settled");
  }
  if (error.error === "invalid_pin") {
    form.elements.pin.value = "";
    form.elements.pin.focus();
    return view.showError(form, view.text(error.remaining === 1 ? "error.invalid_pin_one" : "error.invalid_pin_many", { count: error.remaining }));
  }
  const known = ["invalid_activation_code", "invalid_name", "too_many_attempts"].includes(error.error);
  return view.showError(form, view.text(known ? `error.${error.error}` : "error.unexpected"));
}

async function poll() {
  const panel = view.current();
  if (device && document.visibilityState === "visible" && (panel === "idle" || panel === "question")) {
    try {
      take(await api.waiting(device));
      view.showOffline(false);
    } catch (error) {
      if (error instanceof api.Refused && error.error === "device_blocked") view.show("blocked");
      else if (error instanceof api.Refused && error.status === 401) view.show("unknown");
      else view.showOffline(true);
    }
  }
  setTimeout(poll, POLL_MS);
}

// Nothing moves under the thumb: a question on the screen stays until it is answered or has expired.
function take(waiting) {
  const panel = view.current();
  if (deciding) return;
  if (panel === "question" && question) {
    const others = waiting.filter((one) => one.id !== question.id);
    if (others.length < waiting.length) view.showOthers(others.length);
    else {
      question = undefined;
      view.showDone("settled");
    }
  } else if (panel === "idle" && waiting.length) {
    [question] = waiting;
    view.showQuestion(question, waiting.length - 1);
  }
}

document.getElementById("next").addEventListener("click", idle);
document.getElementById("forget-no").addEventListener("click", () => {
  document.getElementById("forget").open = false;
});
document.getElementById("forget-yes").addEventListener("click", async () => {
  await key.forget();
  device = undefined;
  beginEnrolment();
});

begin();
