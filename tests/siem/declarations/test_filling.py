from dataclasses import replace

from siem.declarations.facts import Known
from siem.declarations.filling import completeness, distinct_fields, fill, is_mandatory, situation_of
from siem.declarations.model import Content, Facts, Origin, Phase
from tests.siem.declarations.world import ESTABLISHMENT, FACTS, QUALIFIED, forms, incident

FORMS = forms().forms
KNOWN = Known(incident(), FACTS, ESTABLISHMENT)
FILLED, REFUSED = fill(FORMS, KNOWN, Content())


def test_facts_fill_and_everything_else_that_is_asked_for_is_said_to_be_unknown() -> None:
    assert REFUSED == []
    assert FILLED.values["incident.nb_dossiers"] == 47
    assert FILLED.origins["incident.nb_dossiers"] is Origin.VEILLE
    assert {"incident.perimetre", "impact.personnes.mise_en_danger", "impact.si", "structure.siret"} <= FILLED.unknown
    assert not FILLED.values.keys() & FILLED.unknown
    assert None not in FILLED.values.values()


def test_what_belongs_to_a_later_phase_is_neither_filled_nor_unknown() -> None:
    later = {key for key in distinct_fields(FORMS) if key.startswith("cloture.")}
    assert not later & (FILLED.values.keys() | FILLED.unknown)


def test_no_pseudonym_goes_into_a_dossier() -> None:
    assert "P-ABCDEFGHIJ" not in repr(FILLED)
    assert "d’un professionnel" in str(FILLED.values["incident.resume"])


def test_filling_again_changes_nothing() -> None:
    assert fill(FORMS, KNOWN, FILLED) == (FILLED, [])


def test_a_value_typed_by_a_person_is_never_overwritten() -> None:
    typed = replace(
        FILLED,
        values={**FILLED.values, "incident.nb_dossiers": 50},
        origins={**FILLED.origins, "incident.nb_dossiers": Origin.SAISIE},
    )
    again, _ = fill(FORMS, replace(KNOWN, facts=replace(FACTS, patient_count=60)), typed)
    assert again.values["incident.nb_dossiers"] == 50


def test_what_becomes_known_is_no_longer_unknown_and_the_other_way_round() -> None:
    blind, _ = fill(FORMS, replace(KNOWN, facts=Facts()), FILLED)
    assert "incident.nb_dossiers" in blind.unknown
    seen, _ = fill(FORMS, KNOWN, blind)
    assert seen.values["incident.nb_dossiers"] == 47


def test_a_registered_value_that_is_not_valid_is_left_out_and_named() -> None:
    wrong = ESTABLISHMENT.model_copy(update={"siret": "123", "type": "château"})
    content, refused = fill(FORMS, replace(KNOWN, establishment=wrong), Content())
    assert {error.key for error in refused} == {"siret", "type"} or {error.key for error in refused} == {
        "structure.siret",
        "structure.type",
    }
    assert "structure.siret" in content.unknown
    assert "structure.type" not in content.values


def test_completeness_names_each_missing_field_with_its_section() -> None:
    state = completeness(FORMS[0], FILLED, Phase.INITIALE, situation_of(FILLED, QUALIFIED))
    assert [(error.key, error.section) for error in state.missing] == [("accompagnement.demande", "cert_sante_incident.accompagnement")]
    assert state.filled_count + state.unknown_count == state.mandatory_count - 1


def test_closing_asks_for_more() -> None:
    missing = {error.key for error in completeness(FORMS[0], FILLED, Phase.CLOTURE, situation_of(FILLED, QUALIFIED)).missing}
    assert {"incident.date_fin", "cloture.date", "cloture.cause_racine", "origine.type_incident"} <= missing


def test_a_field_is_mandatory_only_when_its_condition_holds_for_certain() -> None:
    field = distinct_fields(FORMS)["accompagnement.nature"]
    for value, expected in ((True, True), (False, False), (None, False)):
        content = Content(values={} if value is None else {"accompagnement.demande": value})
        assert is_mandatory(field, Phase.INITIALE, situation_of(content, {})) is expected


def test_unknown_does_not_pass_for_a_field_that_must_be_answered() -> None:
    doubtful = replace(FILLED, unknown=FILLED.unknown | {"accompagnement.demande"})
    problems = {error.key: error.problem for error in completeness(FORMS[0], doubtful, Phase.INITIALE, situation_of(doubtful, {})).missing}
    assert "ne peut pas être marqué" in problems["accompagnement.demande"]
