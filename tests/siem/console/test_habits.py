from dataclasses import replace

from siem.console import habits
from siem.incidents.filters import AlertFilter
from siem.incidents.model import Incident
from siem.store.events import Scope
from tests.siem.console.world import ANALYST, World


def test_what_was_never_seen_before_stands_out(world: World, incident: Incident) -> None:
    alert = next(alert for alert in world.incidents.alerts(ANALYST, AlertFilter()).items if "Sweep" in alert.rule_title)
    found = habits.of_subject(world.events, Scope(), alert, incident.first_at)
    by_field = {habit.field: habit for habit in found.fields}
    assert found.event_count == 37
    assert by_field["source.ip"].unseen == ("203.0.113.40",) and by_field["source.ip"].usual == (("192.0.2.14", 37),)
    assert by_field["source.geo.country_iso_code"].unseen == ("BR",)
    assert by_field["service.name"].unseen == ()


def test_nothing_is_compared_with_nothing(world: World, incident: Incident) -> None:
    alert = world.incidents.alerts(ANALYST, AlertFilter(subject="198.51.100.23")).items[0]
    assert habits.of_subject(world.events, Scope(), alert, alert.first_at).fields == ()
    assert habits.of_subject(world.events, Scope(), replace(alert, subject_field="something.else"), alert.first_at).event_count == 0


def test_another_establishments_events_are_no_habit_of_mine(world: World, incident: Incident) -> None:
    alert = next(alert for alert in world.incidents.alerts(ANALYST, AlertFilter()).items if "Sweep" in alert.rule_title)
    assert habits.of_subject(world.events, Scope("default", frozenset({"0B0000013"})), alert, incident.first_at).event_count == 0


def test_a_day_is_compared_with_days(world: World, incident: Incident) -> None:
    alert = next(alert for alert in world.incidents.alerts(ANALYST, AlertFilter()).items if "Sweep" in alert.rule_title)
    pace = habits.of_subject(world.events, Scope(), alert, incident.first_at).pace
    assert pace is not None
    assert 0 < pace.usual <= pace.most <= 37
    assert pace.now >= alert.count


def test_what_the_alert_is_about_is_compared_first(world: World, incident: Incident) -> None:
    alert = next(alert for alert in world.incidents.alerts(ANALYST, AlertFilter()).items if "Sweep" in alert.rule_title)
    about = replace(alert, group=(*alert.group, ("health.structure.finess", "0B0000005"), ("who", "x")))
    assert habits.of_subject(world.events, Scope(), about, incident.first_at).fields[0].field == "health.structure.finess"
