from siem.declarations.editing import next_version, read_section
from siem.declarations.forms import sections_of
from siem.declarations.model import DossierState, Origin
from tests.siem.declarations.world import ANALYST, DIRECTOR, World


def _section(world: World, name: str):  # type: ignore[no-untyped-def]
    return sections_of(world.forms.forms)[name][1]


def test_what_is_absent_stays_what_is_empty_goes_and_what_is_the_same_keeps_its_origin(world: World) -> None:
    dossier = world.dossiers.get(world.opened(), ANALYST)
    section = _section(world, "cert_sante_incident.incident")
    submitted = {"incident.nb_comptes": "1", "incident.nb_dossiers": "", "incident.nb_postes": "3"}
    content, errors = read_section(section, "cert_sante_incident.incident", dossier, submitted, (), "fr")
    assert errors == []
    assert content.values["incident.resume"] == dossier.content.values["incident.resume"]
    assert (content.values["incident.nb_comptes"], content.origins["incident.nb_comptes"]) == (1, Origin.VEILLE)
    assert "incident.nb_dossiers" not in content.values
    assert (content.values["incident.nb_postes"], content.origins["incident.nb_postes"]) == (3, Origin.SAISIE)


def test_unknown_is_said_by_a_person_and_taken_back_by_a_value(world: World) -> None:
    dossier = world.dossiers.get(world.opened(), ANALYST)
    name = "cert_sante_incident.incident"
    content, errors = read_section(_section(world, name), name, dossier, {"incident.nb_dossiers": ""}, ("incident.nb_dossiers",), "fr")
    assert errors == []
    assert "incident.nb_dossiers" in content.unknown
    content, _ = read_section(_section(world, name), name, dossier, {"incident.perimetre": "compte"}, (), "fr")
    assert "incident.perimetre" not in content.unknown


def test_every_fault_is_named_with_its_section(world: World) -> None:
    dossier = world.dossiers.get(world.opened(), ANALYST)
    name = "cert_sante_incident.structure"
    submitted = {"structure.finess_eg": "0B0172805", "structure.siret": "1", "structure.type": "esms", "declarant.nom": "x"}
    _, errors = read_section(_section(world, name), name, dossier, submitted, ("structure.type", "structure.adresse"), "fr")
    problems = {error.key: error.problem for error in errors}
    assert problems.keys() == {"structure.finess_eg", "structure.siret", "structure.type", "declarant.nom"}
    assert "0B0000005" in problems["structure.finess_eg"]
    assert "pas un champ de cette section" in problems["declarant.nom"]
    assert {error.section for error in errors} == {name}


def test_a_change_after_a_validation_is_the_next_version(world: World) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)
    after = next_version(world.dossiers.get(dossier_id, DIRECTOR))
    assert (after.version_number, after.state) == (2, DossierState.BROUILLON)
    assert next_version(after) == after
