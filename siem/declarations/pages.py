"""What the page of a dossier shows, in one language: forms, sections, fields with their value, origin and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from siem.access import Permission, Principal
from siem.declarations.conditions import Situation
from siem.declarations.deadlines import clocks_of, compute
from siem.declarations.documents import differences
from siem.declarations.fields import Choice, FieldView, Value
from siem.declarations.filling import completeness, distinct_fields, is_mandatory, situation_of
from siem.declarations.form import Form, FormField, Section, SuggestionRule
from siem.declarations.forms import Forms
from siem.declarations.model import (
    FINAL,
    Applicability,
    Contact,
    Content,
    CriterionView,
    Dossier,
    DossierPage,
    DossierState,
    FieldError,
    FormView,
    JournalEntry,
    Origin,
    Phase,
    Receipt,
    SectionView,
    Transmission,
    Version,
)
from siem.declarations.proposal import circumstances_of, propose
from siem.declarations.records import Records, may_validate, phase_of
from siem.declarations.values import display, input_text
from siem.declarations.wording import ANSWER_LABELS, CRITERION_LABELS, ORIGIN_LABELS, PHASE_LABELS, STATE_LABELS, french, pick
from siem.incidents.model import CRITERIA

_SIGNIFICANT = frozenset({"organisation_systeme_sante", "autres_structures"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What is shown to whom: the dossier at its phase, in a language, with what was typed and refused."""

    dossier: Dossier
    phase: Phase
    situation: Situation
    language: str
    errors: Mapping[str, str]
    typed: Mapping[str, str | Sequence[str]]
    read_only: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the store has beside the dossier."""

    versions: tuple[tuple[Version, Content], ...]
    receipts: tuple[Receipt, ...]
    transmissions: tuple[Transmission, ...]
    journal: tuple[JournalEntry, ...]
    filing_error: str


def dossier_page(
    records: Records,
    dossier: Dossier,
    kept: Kept,
    principal: Principal,
    *,
    language: str,
    errors: Sequence[FieldError],
    typed: Mapping[str, str | Sequence[str]],
) -> DossierPage:
    """The whole page."""
    now, forms = records.clock(), records.forms_now()
    phase, situation = phase_of(dossier), situation_of(dossier.content, dossier.criteria)
    showing = Showing(
        dossier=dossier,
        phase=phase,
        situation=situation,
        language=language,
        errors=errors_by_key(errors),
        typed=typed,
        read_only=frozenset({"structure.finess_eg"}) if dossier.finess else frozenset(),
    )
    validated = dossier.validated_version == dossier.version_number
    open_to_changes = dossier.state not in FINAL
    may_edit = open_to_changes and principal.may(Permission.EDIT_DOSSIERS)
    last = kept.versions[-1][1] if kept.versions else None
    return DossierPage(
        dossier=dossier,
        state_label=pick(STATE_LABELS[dossier.state], language),
        phase=phase,
        phase_label=pick(PHASE_LABELS[phase], language),
        forms=tuple(form_view(form, records.forms, records.today(), showing) for form in forms),
        criteria=criteria_view(dossier.criteria, language),
        proposal=propose(dossier.criteria, circumstances_of(dossier.content), language),
        completeness=completeness(records.desk_form(), dossier.content, phase, situation, language),
        deadlines=compute(forms, clocks_of(dossier, kept.transmissions), situation, now, language),
        versions=tuple(version for version, _ in kept.versions),
        differences=differences(distinct_fields(forms), last, dossier.content, language) if last else (),
        receipts=kept.receipts,
        transmissions=kept.transmissions,
        journal=kept.journal,
        filing_error=kept.filing_error,
        may_edit=may_edit,
        may_submit=may_edit and dossier.state is DossierState.BROUILLON,
        may_validate=open_to_changes and not validated and may_validate(dossier, principal),
        may_file=may_edit and validated and dossier.filed_version != dossier.version_number,
    )


def errors_by_key(errors: Sequence[FieldError]) -> dict[str, str]:
    """Problems by field; the first of each."""
    found: dict[str, str] = {}
    for error in errors:
        found.setdefault(error.key, error.problem)
    return found


def form_view(form: Form, forms: Forms, on: date, showing: Showing) -> FormView:
    """One form of the dossier."""
    sections = tuple(_section_view(form, section, showing) for section in form.sections)
    state = completeness(form, showing.dossier.content, showing.phase, showing.situation, showing.language)
    answered = state.filled_count + state.unknown_count
    return FormView(
        id=form.form,
        title=form.title.text(showing.language),
        authority=form.authority.name.text(showing.language),
        legal_basis=french(form.legal_basis.text),
        legal_source=form.legal_basis.source,
        note=form.note.text(showing.language),
        applicability=form.applies.evaluate(showing.situation),
        applicability_reason=form.applies_reason.text(showing.language),
        recipients=contacts(forms, form, on, showing.language),
        sections=sections,
        filled_ratio=answered / state.mandatory_count if state.mandatory_count else 1.0,
        missing_count=len(state.missing),
    )


def contacts(forms: Forms, form: Form, on: date, language: str) -> tuple[Contact, ...]:
    """How to reach the form's recipients on that day."""
    return tuple(
        Contact(
            id=line.id,
            name=line.name.text(language),
            channel=line.channel,
            value=line.value,
            note=line.note.text(language),
            source=line.source,
        )
        for line in forms.reach(form, on)
    )


def _section_view(form: Form, section: Section, showing: Showing) -> SectionView:
    fields = tuple(_field_view(entry, showing) for entry in section.fields)
    return SectionView(
        id=f"{form.form}.{section.id}",
        form_id=form.form,
        title=section.title.text(showing.language),
        intro=section.intro.text(showing.language) if section.intro else "",
        fields=fields,
        missing_count=sum(field.missing for field in fields),
        unknown_count=sum(field.unknown for field in fields),
    )


def _field_view(entry: FormField, showing: Showing) -> FieldView:
    content, language = showing.dossier.content, showing.language
    value = content.values.get(entry.key)
    unknown = entry.key in content.unknown
    mandatory = is_mandatory(entry, showing.phase, showing.situation)
    origin = content.origins.get(entry.key)
    rule = _suggestion(entry, showing.situation) if value is None else None
    return FieldView(
        key=entry.key,
        label=entry.label.text(language),
        help=entry.help.text(language) if entry.help else "",
        type=entry.type,
        options=_options(entry, language),
        columns=tuple(column.key for column in entry.columns),
        value=value,
        text=_text(entry, value, showing.typed.get(entry.key)),
        display=display(entry, value, language) if value is not None else "",
        origin=origin.value if origin else "",
        origin_label=_origin_label(origin, language, unknown=unknown),
        unknown=unknown,
        may_be_unknown=entry.unknown,
        mandatory=mandatory,
        missing=mandatory and value is None and not unknown,
        read_only=entry.key in showing.read_only,
        max_length=entry.max_length,
        shared=entry.shared_with is not None,
        evidence=entry.evidence,
        suggestion=_suggested_words(entry, rule, language) if rule else None,
        suggestion_code=rule.value if rule else None,
        suggestion_reason=rule.reason.text(language) if rule else "",
        error=showing.errors.get(entry.key, ""),
    )


def _text(entry: FormField, value: Value | None, typed: str | Sequence[str] | None) -> str | tuple[str, ...]:
    """What the input shows: what was just typed and refused, else what is stored."""
    if typed is None:
        return input_text(entry, value)
    return typed if isinstance(typed, str) else tuple(typed)


def _options(entry: FormField, language: str) -> tuple[Choice, ...]:
    if entry.type == "boolean":
        return tuple(Choice(code, pick(ANSWER_LABELS[code], language)) for code in ("oui", "non"))
    return tuple(Choice(option.code, option.text(language)) for option in entry.values)


def _origin_label(origin: Origin | None, language: str, *, unknown: bool) -> str:
    if origin is None:
        return ""
    if unknown and origin is not Origin.SAISIE:
        return pick(("pas encore connu", "not known yet"), language)
    return pick(ORIGIN_LABELS[origin], language)


def _suggestion(entry: FormField, situation: Situation) -> SuggestionRule | None:
    return next((rule for rule in entry.suggest if rule.when.evaluate(situation) is Applicability.OUI), None)


def _suggested_words(entry: FormField, rule: SuggestionRule, language: str) -> str:
    return display(entry, rule.value if isinstance(rule.value, str) else list(rule.value), language)


def criteria_view(criteria: Mapping[str, str], language: str) -> tuple[CriterionView, ...]:
    """The five criteria with their answers."""
    views = []
    for key in CRITERIA:
        level = ("significatif", "significant") if key in _SIGNIFICANT else ("grave", "serious")
        answer = criteria.get(key, "inconnu")
        views.append(CriterionView(key=key, label=pick(CRITERION_LABELS[key], language), answer=answer, level=pick(level, language)))
    return tuple(views)
