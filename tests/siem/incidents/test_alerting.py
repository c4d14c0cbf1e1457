from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from siem.detection import Detection, Limit
from siem.event import Event
from siem.incidents.filters import AlertFilter
from siem.incidents.model import USER, AlertState, Verdict
from siem.incidents.store import alert_entities, alert_events
from siem.incidents.suppression import AlertPolicy
from tests.siem.incidents.conftest import (
    ANALYST,
    NIGHT,
    RULES,
    Watch,
    attack_detections,
    attack_events,
    detect,
    make_event,
    only,
    picture,
)


def test_the_same_detections_again_change_nothing(watch: Watch) -> None:
    watch.attack()
    before = picture(watch)
    again = watch.attack()
    assert (again.new_alerts, again.updated_alerts, again.incidents_touched) == ((), (), ())
    assert picture(watch) == before


def test_what_happened_after_an_alert_was_closed_opens_a_new_one_and_what_happened_before_does_not(watch: Watch) -> None:
    watch.now = NIGHT + timedelta(minutes=30)
    first = make_event("a", 0)
    alert_id = watch.feed(detect("glass", first), events=(first,)).new_alerts[0]
    watch.incidents.close([alert_id], Verdict.LEGITIMATE, "urgence vitale", ANALYST)
    late = make_event("b", 20)
    assert watch.feed(detect("glass", late), events=(late,)).updated_alerts == (alert_id,)
    assert watch.incidents.alert(ANALYST, alert_id).state is AlertState.CLOSED
    after = make_event("c", 45)
    assert len(watch.feed(detect("glass", after), events=(after,)).new_alerts) == 1
    assert watch.feed(detect("glass", first), detect("glass", late), events=(first, late)).new_alerts == ()


def test_an_alert_about_indicators_names_their_authors_beside_that_of_the_rule_in_whatever_order_they_come(watch: Watch) -> None:
    events = [make_event(f"e{number}", number) for number in range(3)]
    feeds = (("CERT",), ("Liste", "CERT"), ())
    licences = (("Licence Ouverte 2.0",), (), ())
    found = [
        replace(detect("glass", event), authors=authors, licences=terms)
        for event, authors, terms in zip(events, feeds, licences, strict=True)
    ]
    own = RULES["glass"]
    for one in found:
        watch.feed(one, events=tuple(events))
    (alert,) = watch.incidents.alerts(ANALYST, AlertFilter()).items
    assert alert.rule_author == "; ".join(sorted({"CERT", "Liste", own.author} - {""}))
    assert alert.rule_licence == "; ".join(sorted({"Licence Ouverte 2.0", own.licence} - {""}))


def test_a_rule_that_is_gone_leaves_its_alerts_readable_and_its_detections_visible(watch: Watch) -> None:
    watch.attack()
    before = only(watch)
    watch.incidents.rules = {}
    late = make_event("late", 36)
    watch.feed(detect("fatigue", late), detect("brand-new", late), events=(late,))
    assert only(watch).id == before.id
    assert "T1621" in only(watch).techniques
    titles = {alert.title for alert in watch.incidents.alerts(ANALYST, AlertFilter()).items}
    assert {"Règle fatigue", "Règle retirée brand-new"} <= titles


def test_events_of_earlier_batches_that_cannot_be_found_still_count(watch: Watch) -> None:
    events = attack_events()
    watch.feed(*attack_detections(events), events=())
    assert only(watch).techniques == ("T1020", "T1078", "T1213", "T1548", "T1621")


# ---------------------------------------------------------------------------------------------- silence
#: After two a minute from one address, be silent for a quarter of an hour.
WISH = Limit(2, 60, 900, ("source.ip",))


def flood(*seconds: float, address: str = "203.0.113.7", users: int = 9) -> tuple[list[Detection], tuple[Event, ...]]:
    """Matches of one address, each about another person."""
    events = tuple(make_event(f"{address}-{second:07.1f}", second / 60, f"P-{n % users}", address) for n, second in enumerate(seconds))
    group = [(("source.ip", address), ("user.id", str(event.fields["user.id"]))) for event in events]
    return [replace(detect("scan", event), group=each) for event, each in zip(events, group, strict=True)], events


def limited(watch: Watch, limit: Limit | None = WISH, repeat: int = 0, again: int = 0) -> Watch:
    watch.incidents.rules = {**RULES, "scan": replace(RULES["scan"], limit=limit, repeat_seconds=repeat, again_seconds=again)}
    return watch


def shown(watch: Watch) -> list[tuple[float, int, int]]:
    """When each alert began (seconds), its events, and how many a silence holds."""
    alerts = watch.incidents.alerts(ANALYST, AlertFilter(limit=1000, order="oldest")).items
    return sorted(((alert.first_at - NIGHT).total_seconds(), alert.count, alert.suppressed_count) for alert in alerts)


def test_in_its_silence_a_rule_begins_no_alert_and_everything_is_counted_on_the_last(watch: Watch) -> None:
    detections, events = flood(0, 20, 40, 300, 919, 920)
    absorbed = limited(watch).feed(*detections, events=events)
    assert len(absorbed.new_alerts) == 3
    assert shown(watch) == [(0, 1, 0), (20, 4, 3), (920, 1, 0)]
    holder = next(alert for alert in watch.incidents.alerts(ANALYST, AlertFilter()).items if alert.suppressed_count)
    assert watch.incidents.alert(ANALYST, holder.id).event_ids == tuple(event.id for event in events[1:5])
    assert holder.entities["user"] == ("P-1", "P-2", "P-3", "P-4") and "1 événements" in holder.summary


def test_another_address_is_not_silenced(watch: Watch) -> None:
    first, second = flood(0, 20, 40), flood(45, address="203.0.113.8")
    limited(watch).feed(*first[0], *second[0], events=(*first[1], *second[1]))
    assert shown(watch) == [(0, 1, 0), (20, 2, 1), (45, 1, 0)]


def test_the_same_detections_again_find_their_events_in_the_silence(watch: Watch) -> None:
    detections, events = flood(0, 20, 40, 300, 919, 920)
    limited(watch).feed(*detections, events=events)
    before = picture(watch)
    again = watch.feed(*detections, events=events)
    assert (again.new_alerts, again.updated_alerts) == ((), ()) and picture(watch) == before


def test_a_closed_alert_holds_nothing_back_any_more(watch: Watch) -> None:
    detections, events = flood(0, 20, 40, 300)
    limited(watch).feed(*detections[:3], events=events[:3])
    holder = next(alert for alert in watch.incidents.alerts(ANALYST, AlertFilter()).items if alert.suppressed_count)
    watch.incidents.close([holder.id], Verdict.FALSE_POSITIVE, "vu", ANALYST)
    assert len(watch.feed(detections[3], events=events[3:]).new_alerts) == 1


@pytest.mark.parametrize(("limit", "alerts"), [(None, 2), (Limit(0, 0, 0), 4)])
def test_a_rule_that_says_nothing_has_the_watchs_own_limit_and_one_may_lift_it(
    make_watch: Callable[..., Watch], limit: Limit | None, alerts: int
) -> None:
    detections, events = flood(0, 20, 40, 60, users=1)
    watch = limited(make_watch(alerting=AlertPolicy(replace(WISH, by=()))), limit)
    assert len(watch.feed(*detections, events=events).new_alerts) == alerts


def test_an_alert_that_goes_on_is_raised_anew(watch: Watch) -> None:
    detections, events = flood(*range(0, 3600 * 5, 1800), users=1)
    limited(watch, Limit(0, 0, 0), repeat=3600, again=7200).feed(*detections, events=events)
    assert shown(watch) == [(0, 4, 0), (7200, 4, 0), (14400, 2, 0)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(seconds=[0, 79, 111, 263, 392, 398, 409, 1000], cuts=[1] * 14, rhythm=(30, 0))
@given(
    seconds=st.lists(st.integers(0, 4000), unique=True, min_size=1, max_size=14),
    cuts=st.lists(st.integers(1, 5), min_size=14, max_size=14),
    rhythm=st.sampled_from([(0, 0), (30, 0), (30, 300)]),
)
def test_any_cut_into_batches_ends_in_the_same_alerts_and_nothing_is_lost(
    make_watch: Callable[..., Watch], seconds: list[int], cuts: list[int], rhythm: tuple[int, int]
) -> None:
    detections, events = flood(*sorted(seconds), users=2)
    whole, cut = (limited(make_watch(), repeat=rhythm[0], again=rhythm[1]) for _ in range(2))
    whole.feed(*detections, events=events)
    place = 0
    for size in cuts:
        cut.feed(*detections[place : place + size], events=events[place : place + size])
        place += size
    assert shown(whole) == shown(cut)
    again = whole.feed(*detections, events=events)
    assert (again.new_alerts, again.updated_alerts) == ((), ())
    assert sum(count for _, count, _ in shown(whole)) == len(events)


def test_an_event_about_several_people_links_alerts_about_each_of_them_and_about_few_of_a_crowd(watch: Watch) -> None:
    both = make_event("both", 0)
    both.fields["user.id"] = ["P-AAAAAAAAAA", "P-BBBBBBBBBB"]
    crowd = make_event("crowd", 1)
    crowd.fields["user.id"] = [f"P-{number}" for number in range(1000)]
    watch.feed(detect("glass", both), events=(both,))
    watch.feed(detect("export", crowd), events=(crowd,))
    with watch.database.reading() as connection:
        rows = connection.execute(select(alert_entities.c.value).where(alert_entities.c.kind == USER)).scalars().all()
        (first,) = connection.execute(select(alert_events.c.user_id).where(alert_events.c.event_id == "both")).scalars().all()
    assert {"P-AAAAAAAAAA", "P-BBBBBBBBBB"} <= set(rows) and sum(value.startswith("P-") for value in rows) <= 2 + 65
    assert first == "P-AAAAAAAAAA"
