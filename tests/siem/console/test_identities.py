from siem.enrichment.pseudonyms import list_revelations
from siem.incidents.model import Incident
from tests.siem.console.world import ANALYST, AUDITOR, DOCTOR, World, csrf


def _reveal(world: World, **data: str):  # type: ignore[no-untyped-def]
    browser = world.client(ANALYST)
    return browser.post("/identites/revelation", data={"csrf": csrf(browser.get("/preferences").text), "pseudonyme": DOCTOR, **data})


def test_an_identity_is_shown_once_to_who_says_why_and_the_trace_stays(world: World, incident: Incident) -> None:
    page = _reveal(world, motif="Appeler le médecin pour confirmer", retour="/incidents/x")
    assert page.status_code == 200 and "899700123458" in page.text and 'href="/incidents/x"' in page.text
    assert page.headers["cache-control"] == "no-store"
    with world.database.reading() as connection:
        trace = list_revelations(connection)
    assert [(each.pseudonym, each.actor, each.reason) for each in trace] == [(DOCTOR, ANALYST.subject, "Appeler le médecin pour confirmer")]


def test_without_a_real_reason_nothing_is_shown_and_nothing_traced(world: World, incident: Incident) -> None:
    page = _reveal(world, motif="test")
    assert page.status_code == 422 and "899700123458" not in page.text and 'href="#motif"' in page.text
    with world.database.reading() as connection:
        assert list_revelations(connection) == []


def test_a_pseudonym_of_nobody_is_not_found_and_still_traced(world: World) -> None:
    assert _reveal(world, pseudonyme="P-AAAAAAAAAA", motif="Recherche d’identité").status_code == 404
    with world.database.reading() as connection:
        assert [each.found for each in list_revelations(connection)] == [False]


def test_the_way_back_stays_inside(world: World) -> None:
    page = world.client(ANALYST).get("/identites/revelation", params={"pseudonyme": DOCTOR, "retour": "https://evil.example"}).text
    assert '<a class="button" href="/">' in page


def test_no_link_to_reveal_where_the_role_does_not_allow_it(world: World, incident: Incident) -> None:
    assert "/identites/revelation" in world.client(ANALYST).get(f"/incidents/{incident.id}").text
    assert "/identites/revelation" not in world.client(AUDITOR).get(f"/incidents/{incident.id}").text
