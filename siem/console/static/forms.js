// Small services to forms: a filter sheet that starts shut on a narrow screen, «unknown» that gives way to an answer, suggestions taken by a click.
export function startForms() {
  const narrow = window.matchMedia("(max-width: 52rem)").matches;
  for (const sheet of document.querySelectorAll("details.sheet")) {
    if (narrow && !window.location.search) sheet.open = false;
  }
  for (const unknown of document.querySelectorAll(".answers input[name=inconnu]")) {
    const inputs = answersOf(unknown);
    unknown.addEventListener("change", () => { if (unknown.checked) for (const input of inputs) clear(input); });
    for (const input of inputs) input.addEventListener("input", () => { unknown.checked = false; });
  }
  for (const button of document.querySelectorAll("[data-suggest]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const values = button.dataset.value.split("\n");
      const fields = [...button.form.elements].filter((field) => field.name === button.dataset.suggest);
      for (const field of fields) {
        if (field.type === "radio" || field.type === "checkbox") field.checked = values.includes(field.value);
        else field.value = button.dataset.value;
      }
      fields[0]?.dispatchEvent(new Event("input", { bubbles: true }));
      fields[0]?.focus();
    });
  }
}

const answersOf = (unknown) => [...unknown.form.elements].filter((field) => field.name === unknown.value && !field.readOnly);

function clear(input) {
  if (input.type === "radio" || input.type === "checkbox") input.checked = false;
  else input.value = "";
}
