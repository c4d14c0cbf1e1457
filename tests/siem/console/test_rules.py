from siem.incidents.model import Incident
from tests.siem.console.world import ANALYST, World


def test_lists_each_rule_with_its_last_match_and_what_did_not_load(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get("/regles").text
    assert "6 règles actives" in page and "Balayage de dossiers patients" in page and "22 nov. 2026, 02:15" in page
    assert "rules/web/broken.yml:12" in page and "detection.condition" in page


def test_a_word_or_a_technique_narrows_the_list(world: World) -> None:
    page = world.client(ANALYST).get("/regles?q=T1621").text
    assert "Demandes d’approbation répétées" in page and "Balayage" not in page
    assert "Aucune règle ne correspond" in world.client(ANALYST).get("/regles?q=zzz").text


def test_a_rule_shows_its_text_author_licence_and_alerts(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get("/regles/5f3b0000-0000-4000-8000-000000000001").text
    assert (
        "Équipe Veilleur" in page and "Detection Rule License 1.1" in page and "condition: selection" in page and "a refusé 4 fois" in page
    )


def test_an_unknown_rule_is_not_found(world: World) -> None:
    assert world.client(ANALYST).get("/regles/none").status_code == 404


def test_no_rule_at_all_says_that_nothing_is_detected(world: World) -> None:
    object.__setattr__(world.services, "rules", {})
    assert "Sans règle, rien n’est détecté" in world.client(ANALYST).get("/regles").text
