from datetime import timedelta

import pytest

from siem.incidents.filters import AlertFilter, IncidentFilter
from siem.response.action import ActionFailed
from siem.response.actions.watch_account import WatchAccount
from tests.siem.incidents.conftest import ANALYST, detect, make_event
from tests.siem.response.actions.conftest import Given


def later_risk(given: Given, days: float) -> tuple[bool, int]:
    """A medium and a high alert of the person, days later: whether they are marked, and whether they make an incident."""
    at = days * 24 * 60
    a, b = make_event(f"l{days}a", at), make_event(f"l{days}b", at + 1)
    found = given.bench.watch.feed(detect("glass", a), detect("fatigue", b), events=(a, b))
    alert = given.bench.watch.incidents.alert(ANALYST, found.new_alerts[0])
    return alert.watched, len(found.new_incidents)


def test_later_alerts_of_a_watched_person_weigh_twice_until_the_end_date(given: Given) -> None:
    assert later_risk(given, 3) == (False, 0)
    result = WatchAccount(given.bench.services()).execute(given.context(personnes="P-AAAAAAAAAA", duree_jours="10"))
    assert "P-AAAAAAAAAA" in result.text
    assert later_risk(given, 6) == (True, 1)
    assert later_risk(given, 15) == (False, 0)


def test_lifting_the_watch_ends_it(given: Given) -> None:
    action = WatchAccount(given.bench.services())
    action.execute(given.context(personnes="P-AAAAAAAAAA"))
    given.bench.watch.now += timedelta(days=2)
    action.undo(given.context())
    assert later_risk(given, 6) == (False, 0)
    assert given.bench.watch.incidents.incidents(ANALYST, IncidentFilter()).total == 1
    assert given.bench.watch.incidents.alerts(ANALYST, AlertFilter(subject="P-AAAAAAAAAA")).total == 7


@pytest.mark.parametrize("days", ["0", "366", "-1", "toujours"])
def test_a_length_that_makes_no_sense_is_refused(given: Given, days: str) -> None:
    with pytest.raises(ActionFailed, match="durée"):
        WatchAccount(given.bench.services()).execute(given.context(personnes="P-AAAAAAAAAA", duree_jours=days))
