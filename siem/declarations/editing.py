"""Reading a submitted section: every field of it, or, when something is wrong, nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from siem.declarations.fields import Value
from siem.declarations.form import FormField, Section
from siem.declarations.model import BEFORE_TRANSMISSION, Content, Dossier, DossierState, FieldError, Origin
from siem.declarations.values import Wrong, read
from siem.declarations.wording import problem

#: The establishment is that of the incident: changing it would move the dossier to other eyes.
_FIXED = "structure.finess_eg"


def read_section(
    section: Section,
    section_id: str,
    dossier: Dossier,
    values: Mapping[str, str | Sequence[str]],
    unknown: Collection[str],
    language: str,
) -> tuple[Content, list[FieldError]]:
    """The dossier's content with what was submitted, and what is wrong with it (the content is then to be thrown away)."""
    content = dossier.content
    kept, doubts, origins = dict(content.values), set(content.unknown), dict(content.origins)
    known = {entry.key: entry for entry in section.fields}
    errors = [FieldError(key, key, problem("not_in_section", language), section_id) for key in sorted({*values, *unknown} - known.keys())]
    for key, entry in known.items():
        if key not in values and key not in unknown:
            continue
        try:
            value = _submitted(entry, values.get(key, ""), key in unknown, dossier, language)
        except Wrong as error:
            errors.append(FieldError(key, entry.label.text(language), str(error), section_id))
            continue
        if value == content.values.get(key) and (key in unknown) == (key in content.unknown):
            continue
        kept.pop(key, None)
        doubts.discard(key)
        origins[key] = Origin.SAISIE
        if value is not None:
            kept[key] = value
        elif key in unknown:
            doubts.add(key)
    return Content(values=kept, unknown=frozenset(doubts), origins=origins), errors


def _submitted(entry: FormField, raw: str | Sequence[str], is_unknown: bool, dossier: Dossier, language: str) -> Value | None:
    value = read(entry, raw if isinstance(raw, str) else list(raw), language)
    if is_unknown and not entry.unknown:
        raise Wrong(problem("never_unknown", language))
    if is_unknown and value is not None:
        raise Wrong(problem("both", language))
    if entry.key == _FIXED and dossier.finess is not None and value != dossier.finess:
        raise Wrong(problem("fixed", language, value=dossier.finess))
    return value


def next_version(dossier: Dossier) -> Dossier:
    """A change after a validation belongs to the next version; before transmission it also voids the validation."""
    if dossier.validated_version != dossier.version_number:
        return replace(dossier, state=DossierState.BROUILLON) if dossier.state is DossierState.A_VALIDER else dossier
    state = DossierState.BROUILLON if dossier.state in BEFORE_TRANSMISSION else dossier.state
    return replace(dossier, version_number=dossier.version_number + 1, state=state)
