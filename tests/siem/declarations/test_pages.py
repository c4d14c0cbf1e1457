from siem.declarations.model import FieldError, FieldView
from siem.declarations.pages import errors_by_key
from tests.siem.declarations.world import ANALYST, DIRECTOR, World


def _fields(world: World, dossier_id: str, language: str = "fr") -> dict[str, FieldView]:
    page = world.dossiers.page(dossier_id, DIRECTOR, language=language)
    return {field.key: field for field in page.forms[0].sections for field in field.fields}


def test_a_field_tells_its_value_where_it_comes_from_and_what_is_missing(world: World) -> None:
    fields = _fields(world, world.opened())
    count = fields["incident.nb_dossiers"]
    assert (count.value, count.text, count.display, count.origin, count.origin_label) == (
        47,
        "47",
        "47",
        "veille",
        "constaté par la veille",
    )
    asked = fields["accompagnement.demande"]
    assert (asked.missing, asked.mandatory, asked.may_be_unknown, [option.code for option in asked.options]) == (
        True,
        True,
        False,
        ["oui", "non"],
    )
    assert fields["structure.finess_eg"].read_only
    assert fields["incident.date_constat"].text == "2026-11-22T02:14"


def test_a_suggestion_is_shown_with_its_reason_and_never_stored(world: World) -> None:
    dossier_id = world.opened()
    kind = _fields(world, dossier_id)["origine.type_incident"]
    assert (kind.suggestion, kind.suggestion_code) == ("Compromission de compte, vol d’identifiants", "compromission_compte")
    assert kind.suggestion_reason
    assert "origine.type_incident" not in world.dossiers.get(dossier_id, DIRECTOR).content.values


def test_what_was_typed_and_refused_is_shown_again_with_what_is_wrong(world: World) -> None:
    dossier_id = world.opened()
    section, typed = "cert_sante_incident.incident", {"incident.nb_postes": "beaucoup", "incident.si_concernes": ["dpi", "x"]}
    errors = world.dossiers.save_section(dossier_id, section, typed, DIRECTOR)
    page = world.dossiers.page(dossier_id, DIRECTOR, errors=errors, typed=typed)
    fields = {field.key: field for part in page.forms[0].sections for field in part.fields}
    assert (fields["incident.nb_postes"].text, bool(fields["incident.nb_postes"].error)) == ("beaucoup", True)
    assert fields["incident.si_concernes"].text == ("dpi", "x")
    assert fields["incident.resume"].text == fields["incident.resume"].value


def test_a_page_tells_forms_criteria_clocks_and_what_this_person_may_do(world: World) -> None:
    dossier_id = world.complete()
    page = world.dossiers.page(dossier_id, DIRECTOR)
    assert [form.id for form in page.forms] == ["cert_sante_incident", "cnil_violation", "anssi_nis2"]
    assert page.forms[0].recipients[1].value == "+33972439125"
    assert [(view.key, view.answer, view.level) for view in page.criteria][1] == ("donnees_sante", "oui", "grave")
    assert page.proposal.decision == "a_declarer"
    assert page.completeness.missing == ()
    assert (page.may_validate, page.may_file) == (True, False)
    assert not world.dossiers.page(dossier_id, ANALYST).may_validate
    world.dossiers.validate(dossier_id, DIRECTOR)
    page = world.dossiers.page(dossier_id, DIRECTOR)
    assert (page.state_label, page.may_validate, page.may_file, page.differences) == ("Validé par la direction", False, True, ())


def test_counts_of_missing_and_unknown_are_those_of_the_fields(world: World) -> None:
    for form in world.dossiers.page(world.opened(), DIRECTOR).forms:
        for section in form.sections:
            assert section.missing_count == sum(field.missing for field in section.fields)
            assert section.unknown_count == sum(field.unknown for field in section.fields)
        assert form.missing_count == sum(section.missing_count for section in form.sections)


def test_the_same_page_in_english(world: World) -> None:
    dossier_id = world.opened()
    page = world.dossiers.page(dossier_id, DIRECTOR, language="en")
    assert page.state_label == "Draft"
    assert _fields(world, dossier_id, "en")["incident.nb_dossiers"].label == "Number of patient records opened"


def test_the_first_problem_of_a_field_is_the_one_shown() -> None:
    assert errors_by_key([FieldError("a", "A", "one"), FieldError("a", "A", "two")]) == {"a": "one"}
