import re

import pytest

from siem.incidents.filters import AlertFilter
from siem.incidents.model import Incident, Verdict
from siem.incidents.queries import changes_of
from tests.siem.console.world import ANALYST, AUDITOR, LEAD, World, csrf

RULE = "5f3b0000-0000-4000-8000-000000000004"
PAGE = f"/regles/{RULE}/filtre"


@pytest.fixture
def judged(world: World, incident: Incident) -> World:
    """The break-glass alert was closed as false."""
    alert = next(one for one in world.incidents.alerts(ANALYST, AlertFilter()).items if one.rule_id == RULE)
    world.incidents.close([alert.id], Verdict.FALSE_POSITIVE, "formation au bloc", ANALYST)
    return world


def form(page: str, **typed: str) -> dict[str, str]:
    proposed = re.search(r'name="proposition" value="([0-9a-f]+)"', page)
    assert proposed, "nothing is proposed"
    given = {"responsable": "Hugo Lefèvre-Essai", "motif": "Formation\ndu bloc", "echeance": "2027-01-31"}
    return {"csrf": csrf(page), "proposition": proposed[1], **given, **typed}


def test_without_a_false_alert_the_page_says_how_one_comes(world: World, incident: Incident) -> None:
    page = world.client(LEAD).get(PAGE).text
    assert "Pas de filtre à proposer" in page and "n’a été classée comme fausse" in page


def test_shows_what_it_would_hide_and_what_stays_and_why_it_was_closed(judged: World) -> None:
    page = judged.client(LEAD).get(PAGE).text.replace("\xa0", " ")
    assert "203.0.113.40" in page and "1 fausse alerte serait masquée, sur 1." in page and "formation au bloc" in page


def test_the_lead_writes_it_and_it_is_in_force_and_in_the_history(judged: World) -> None:
    browser = judged.client(LEAD)
    answer = browser.post(PAGE, data=form(browser.get(PAGE).text))
    assert answer.status_code == 303 and answer.headers["location"] == f"/regles/{RULE}#filtres"
    page = browser.get(f"/regles/{RULE}").text
    assert "est écrit et en vigueur" in page and "Formation du bloc" in page and "2027-01-31" in page
    (written,) = (judged.folder / "local-rules" / "filters").iterdir()
    with judged.database.reading() as connection:
        (change,) = changes_of(connection, "rule", [RULE])
    assert (change.new, change.actor, change.reason) == (written.name, LEAD.subject, "Formation du bloc")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"echeance": "bientôt"}, "Écrivez une date"),
        ({"echeance": "2030-01-01"}, "dans un an"),
        ({"motif": " "}, "Ce champ est à remplir"),
        ({"responsable": "x" * 600}, "Au plus 500"),
        ({"proposition": "0" * 32}, "relisez la nouvelle proposition"),
    ],
)
def test_what_cannot_be_written_is_said_beside_its_field_and_leaves_no_file(judged: World, typed: dict[str, str], said: str) -> None:
    browser = judged.client(LEAD)
    answer = browser.post(PAGE, data=form(browser.get(PAGE).text, **typed))
    assert answer.status_code == 422 and said in answer.text.replace("\xa0", " ")
    assert not (judged.folder / "local-rules").exists()


def test_others_see_the_proposal_and_who_may_write_it(judged: World) -> None:
    for person in (ANALYST, AUDITOR):
        page = judged.client(person).get(PAGE).text
        assert "Seul le responsable de la veille" in page and 'name="proposition"' not in page


def test_an_unknown_rule_has_no_page(world: World) -> None:
    assert world.client(LEAD).get("/regles/none/filtre").status_code == 404
