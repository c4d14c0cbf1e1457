import pytest

from siem.declarations.desk import DeskState
from siem.incidents.model import CRITERIA, Incident
from tests.siem.console.test_dossier import _complete
from tests.siem.console.world import AGENCY, ANALYST, DIRECTOR, LEAD, World, csrf


@pytest.fixture
def number(world: World, incident: Incident) -> str:
    """The number of the one declaration that the desk has received."""
    answers = dict.fromkeys(CRITERIA, "non") | {"donnees_sante": "oui"}
    dossier = world.services.open_dossier(world.incidents.qualify(incident.id, answers, "Accès en masse", ANALYST), ANALYST)
    _complete(world, dossier)
    world.dossiers.validate(dossier.id, DIRECTOR)
    return world.dossiers.file(dossier.id, DIRECTOR).number


def test_lists_what_was_received_by_state_and_region(world: World, number: str) -> None:
    browser = world.client(LEAD)
    assert number in browser.get("/guichet").text and number in browser.get("/guichet?etat=recu&region=53").text
    assert "Aucune déclaration pour ce filtre" in browser.get("/guichet?etat=qualifie").text
    assert number in world.client(AGENCY).get("/guichet").text


def test_an_empty_desk_says_how_declarations_arrive(world: World) -> None:
    assert "dépose un dossier validé" in world.client(LEAD).get("/guichet").text


def test_a_declaration_is_read_whole(world: World, number: str) -> None:
    page = world.client(LEAD).get(f"/guichet/{number}").text
    assert "Centre hospitalier d’Essai-sur-Vilaine" in page and "Reçue" in page and "donnees_sante" in page


def test_answering_moves_it_and_a_reason_is_asked_where_due(world: World, number: str) -> None:
    browser = world.client(LEAD)
    token = csrf(browser.get("/preferences").text)
    assert browser.post(f"/guichet/{number}/decision", data={"csrf": token, "etat": "pris_en_compte"}).status_code == 303
    refused = browser.post(f"/guichet/{number}/decision", data={"csrf": token, "etat": "qualifie", "motif": ""})
    assert refused.status_code == 422 and 'href="#motif"' in refused.text
    browser.post(f"/guichet/{number}/decision", data={"csrf": token, "etat": "qualifie", "motif": "Incident grave"})
    assert world.desk.get(number, LEAD)[0].state is DeskState.QUALIFIE
    assert browser.post(f"/guichet/{number}/decision", data={"csrf": token, "etat": "perdu"}).status_code == 400


def test_an_unknown_number_is_not_found(world: World) -> None:
    assert world.client(LEAD).get("/guichet/VEI-2026-999999").status_code == 404
