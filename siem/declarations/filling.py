"""Filling a dossier: what facts give, what stays unknown, what is missing for a phase.

A field that nothing fills is marked unknown when it may be, so that «not known» is never mistaken for «nothing»; a field typed by a
person is never overwritten.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from siem.declarations.conditions import Situation
from siem.declarations.facts import FACTS, Known
from siem.declarations.fields import Value
from siem.declarations.form import Form, FormField, Section
from siem.declarations.model import Applicability, Completeness, Content, FieldError, Origin, Phase
from siem.declarations.privacy import without_pseudonyms
from siem.declarations.values import Wrong, check
from siem.declarations.wording import problem

_PHASES: Final = (Phase.INITIALE, Phase.COMPLEMENT, Phase.CLOTURE)
TECHNIQUES: Final = "origine.techniques_attack"


def distinct_fields(forms: Sequence[Form]) -> dict[str, FormField]:
    """Every field once, by key, as its first form defines it."""
    fields: dict[str, FormField] = {}
    for form in forms:
        for _, entry in form.fields():
            fields.setdefault(entry.key, entry)
    return fields


def fill(forms: Sequence[Form], known: Known, before: Content, keep: Collection[str] = ()) -> tuple[Content, list[FieldError]]:
    """The content brought up to date with the facts, and the registered values that were refused because they are not valid.

    ``keep`` names facts that are not read anew.
    """
    values, unknown, origins = dict(before.values), set(before.unknown), dict(before.origins)
    refused: list[FieldError] = []
    fields = distinct_fields(forms)
    for key, entry in fields.items():
        if entry.fact is None or entry.fact in keep or origins.get(key) is Origin.SAISIE:
            continue
        value = _fact(entry, known, refused)
        values.pop(key, None)
        unknown.discard(key)
        origins.pop(key, None)
        if value is not None:
            values[key], origins[key] = value, entry.origin
        elif entry.unknown:
            unknown.add(key)
            origins[key] = entry.origin
    filled = Content(values=values, unknown=frozenset(unknown), origins=origins)
    return _with_unknowns(fields, filled, situation_of(filled, known.incident.qualification)), refused


def _fact(entry: FormField, known: Known, refused: list[FieldError]) -> Value | None:
    value = FACTS[entry.fact](known) if entry.fact else None
    if value is None:
        return None
    value = _anonymous(value)
    try:
        check(entry, value, "fr")
    except Wrong as error:
        refused.append(FieldError(entry.key, entry.label.text("fr"), str(error)))
        return None
    return value


def _anonymous(value: Value) -> Value:
    if isinstance(value, str):
        return without_pseudonyms(value)
    if isinstance(value, list):
        return [_anonymous_item(item) for item in value]  # type: ignore[return-value]  # items keep their kind
    return value


def _anonymous_item(item: str | dict[str, str]) -> str | dict[str, str]:
    return without_pseudonyms(item) if isinstance(item, str) else {key: without_pseudonyms(cell) for key, cell in item.items()}


def _with_unknowns(fields: dict[str, FormField], content: Content, situation: Situation) -> Content:
    """A first declaration names what it does not know: mandatory fields without a value are marked so where they may be."""
    silent = {
        key
        for key, entry in fields.items()
        if entry.unknown and key not in content.values and key not in content.unknown and key not in content.origins
        if Phase.INITIALE in entry.mandatory
    }
    origins = {**content.origins, **{key: fields[key].origin for key in silent if fields[key].origin is not Origin.SAISIE}}
    return Content(values=content.values, unknown=content.unknown | silent, origins=origins)


def situation_of(content: Content, criteria: Mapping[str, str]) -> Situation:
    """What conditions look at, from a dossier's content and the answers on the criteria."""
    techniques = content.values.get(TECHNIQUES)
    return Situation(
        criteria=criteria,
        values=content.values,
        techniques=tuple(str(t) for t in techniques) if isinstance(techniques, list) else (),
    )


def is_mandatory(entry: FormField, phase: Phase, situation: Situation) -> bool:
    """Whether the field must be answered at that phase (a value, or «inconnu» where it may be)."""
    reached = _PHASES[: _PHASES.index(phase) + 1]
    if any(step in reached for step in entry.mandatory):
        return True
    rule = entry.mandatory_if
    return rule is not None and any(step in reached for step in rule.phases) and rule.when.evaluate(situation) is Applicability.OUI


def completeness(form: Form, content: Content, phase: Phase, situation: Situation, language: str = "fr") -> Completeness:
    """What is missing in one form, and whether what is there is valid."""
    errors = list(_faults(form, content, phase, situation, language))
    mandatory = [entry for _, entry in form.fields() if is_mandatory(entry, phase, situation)]
    return Completeness(
        mandatory_count=len(mandatory),
        filled_count=sum(1 for entry in mandatory if entry.key in content.values),
        unknown_count=sum(1 for entry in mandatory if entry.key in content.unknown),
        missing=tuple(errors),
    )


def _faults(form: Form, content: Content, phase: Phase, situation: Situation, language: str) -> Iterator[FieldError]:
    for section, entry in form.fields():
        value = content.values.get(entry.key)
        what = ""
        if value is not None:
            what = _fault_of(entry, value, language)
        elif entry.key in content.unknown and not entry.unknown:
            what = problem("never_unknown", language)
        elif entry.key not in content.unknown and is_mandatory(entry, phase, situation):
            what = problem("missing" if entry.unknown else "missing_strict", language)
        if what:
            yield field_error(form, section, entry, what, language)


def _fault_of(entry: FormField, value: Value, language: str) -> str:
    try:
        check(entry, value, language)
    except Wrong as error:
        return str(error)
    return ""


def field_error(form: Form, section: Section, entry: FormField, what: str, language: str) -> FieldError:
    """A named fault of one field."""
    return FieldError(entry.key, entry.label.text(language), what, f"{form.form}.{section.id}")
