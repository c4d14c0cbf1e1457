from urllib.parse import quote

from siem.incidents.filters import AlertFilter
from siem.incidents.model import Incident
from tests.siem.console.world import ANALYST, DOCTOR, World


def detail(kind: str, value: str) -> str:
    return f"/risques/detail?sorte={kind}&valeur={quote(value)}"


def test_lists_who_stands_highest_and_each_kind_by_itself(world: World, incident: Incident) -> None:
    browser = world.client(ANALYST)
    page = browser.get("/risques").text
    assert DOCTOR in page and "0B0000005" in page and "PAT-0000000043" in page
    people = browser.get("/risques?sorte=user").text
    assert DOCTOR in people and "PAT-0000000043" not in people
    assert "Aucun risque de cette sorte" in browser.get("/risques?sorte=device").text
    assert browser.get("/risques?sorte=nonsense").status_code == 200


def test_says_which_alerts_a_risk_comes_from_and_how_much_each(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get(detail("user", DOCTOR)).text
    assert page.count("<tr data-row>") == 5 and "Balayage de dossiers patients" in page and "par Équipe Veilleur" in page
    assert '<td class="num" data-label="Poids">60</td>' in page


def test_alerts_and_incidents_show_the_risk_of_what_they_are_about(world: World, incident: Incident) -> None:
    browser = world.client(ANALYST)
    sweep = next(alert for alert in world.incidents.alerts(ANALYST, AlertFilter()).items if "Sweep" in alert.rule_title)
    for address in (f"/alertes/{sweep.id}", f"/incidents/{incident.id}"):
        assert f"/risques/detail?sorte=user&amp;valeur={DOCTOR}" in browser.get(address).text


def test_what_has_no_risk_has_no_page(world: World) -> None:
    assert world.client(ANALYST).get(detail("user", "P-NOBODY")).status_code == 404
    assert "Aucun risque" in world.client(ANALYST).get("/risques").text
