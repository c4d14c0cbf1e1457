"""Time modifiers are judged in the zone that a rule, a filter or the operator names; in UTC where nobody does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection.conditions import AllOf, AnyOf, Leaf, Negated
from siem.detection.encoding import decoded, encoded
from siem.detection.engine import Engine
from siem.detection.folders import OWN
from siem.detection.load import Ruleset, load_rules
from siem.detection.predicates import TIMESTAMP, Compare, Exists, TimePart, TimePartIs, View, compiled
from siem.detection.selections import RuleMistake
from siem.detection.zones import in_zone, zone_of
from siem.event import Event
from siem.history.hunt import Stretch, hunt, plan
from siem.store.events import EventStore, Scope, StoredEvent

ZONES = ["Europe/Paris", "America/Martinique", "Indian/Reunion", "Pacific/Noumea", "Asia/Kathmandu", "America/St_Johns"]
RULE = """\
title: At night
id: 00000000-0000-4000-8000-000000000001
name: at_night
logsource: {{product: veilleur, service: idp}}
detection:
  login: {{event.action: login.failed}}
  night: {{"@timestamp|hour|lt": 5}}
  condition: login and night
{ours}"""
FILTER = """\
title: Not in the first hour
logsource: {{product: veilleur, service: idp}}
filter:
  rules: [at_night]
  first: {{"@timestamp|hour": 0}}
  condition: not first
{ours}"""
PARIS = "veilleur: {zone: Europe/Paris}\n"


def loaded(folder: Path, *texts: str, own: str = "") -> Ruleset:
    (rules := folder / "rules").mkdir()
    for number, text in enumerate(texts):
        (rules / f"rule_{number:04d}.yml").write_text(text, "utf-8")
    if own:
        (folder / OWN).mkdir()
        (folder / OWN / "alerting.yml").write_text(own, "utf-8")
    return load_rules(rules, *([folder / OWN] if own else []))


def night(ruleset: Ruleset, begin: datetime) -> list[str]:
    """Of a login each half hour for a day, those that are found."""
    assert ruleset.errors == ()
    fields = {"event.dataset": "idp.audit", "event.action": "login.failed"}
    instants = [begin + number * timedelta(minutes=30) for number in range(48)]
    events = [Event(f"{at:%H:%M}", at, "idp", "default", dict(fields)) for at in instants]
    live = [one.event_ids[0] for one in Engine(ruleset).evaluate(events)]
    store = EventStore(None)
    store.append([StoredEvent(number, event) for number, event in enumerate(events)])
    (rule_id,) = ruleset.rules
    hunted = [one.event_ids[0] for step in hunt(store, plan(ruleset, rule_id), Stretch(Scope())) for one in step.detections]
    store.close()
    assert live == hunted
    return live


def hours(first: int, last: int) -> list[str]:
    return [f"{hour:02d}:{minute}" for hour in range(first, last) for minute in ("00", "30")]


@pytest.mark.parametrize(
    ("day", "found"),
    [
        ((2026, 7, 1), [*hours(0, 3), *hours(22, 24)]),
        ((2026, 12, 1), [*hours(0, 4), *hours(23, 24)]),
        ((2026, 3, 29), [*hours(0, 3), *hours(22, 24)]),  # the hour that begins at 1:00 UTC is called 3: four hours and no fifth
        ((2026, 10, 25), [*hours(0, 4), *hours(23, 24)]),  # 0:00 and 1:00 UTC are both called 2
    ],
    ids=["summer", "winter", "forward", "back"],
)
def test_a_night_in_paris_is_one_of_paris_live_and_over_history(tmp_path: Path, day: tuple[int, int, int], found: list[str]) -> None:
    begin = datetime(*day, tzinfo=UTC)
    assert night(loaded(tmp_path, RULE.format(ours=PARIS)), begin) == found


def test_without_a_zone_a_night_is_one_of_utc(tmp_path: Path) -> None:
    assert night(loaded(tmp_path, RULE.format(ours="")), datetime(2026, 7, 1, tzinfo=UTC)) == hours(0, 5)


def test_a_filter_has_a_zone_of_its_own(tmp_path: Path) -> None:
    said = "veilleur: {zone: Europe/Paris, owner: A, reason: B, expires: 2027-01-31}\n"
    ruleset = loaded(tmp_path, RULE.format(ours=""), FILTER.format(ours=said))
    assert night(ruleset, datetime(2026, 7, 1, tzinfo=UTC)) == hours(0, 5), "the first hour of Paris is at ten in the evening"
    (tmp_path / "other").mkdir()
    ruleset = loaded(tmp_path / "other", RULE.format(ours=""), FILTER.format(ours=""))
    assert night(ruleset, datetime(2026, 7, 1, tzinfo=UTC)) == hours(1, 5)


@pytest.mark.parametrize("name", ["default", "at_night"])
def test_the_operator_says_it_for_the_rules_of_others(tmp_path: Path, name: str) -> None:
    ruleset = loaded(tmp_path, RULE.format(ours=""), own=f"alerting: {{{name}: {{zone: Indian/Reunion}}}}\n")
    assert night(ruleset, datetime(2026, 7, 1, tzinfo=UTC)) == [*hours(0, 1), *hours(20, 24)]


@pytest.mark.parametrize("name", ["Europe/Pariss", "../../etc/passwd", "/etc/localtime", "localtime", "", 3, ["a"], "Europe", "a" * 5000])
def test_what_is_no_zone_is_refused_with_its_place(tmp_path: Path, name: object) -> None:
    with pytest.raises(RuleMistake) as refused:
        zone_of({"zone": name})
    assert refused.value.path == ("veilleur", "zone") and "Europe/Paris" in refused.value.problem
    (error,) = loaded(tmp_path, RULE.format(ours="veilleur: {zone: Nowhere/Else}\n")).errors
    assert (error.line, error.field) == (9, "veilleur.zone")


@given(
    st.sampled_from(ZONES),
    st.integers(0, 75_000 * 24 * 60),
    st.sampled_from(TimePart),
    st.sampled_from([Negated, lambda one: AllOf((one,)), lambda one: AnyOf((one, one))]),
)
def test_each_part_of_an_instant_is_what_a_clock_on_the_spot_shows(
    zone: str, minute: int, part: TimePart, around: Callable[[Leaf], Negated | AllOf | AnyOf]
) -> None:
    at = datetime(1990, 1, 2, tzinfo=UTC) + minute * timedelta(minutes=1)
    offset = at.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    shown = (at + offset).replace(tzinfo=None)  # what the clock shows, by adding alone
    expected = shown.isocalendar().week if part is TimePart.WEEK else getattr(shown, part.value)
    holds = Leaf(TimePartIs(TIMESTAMP, part, Compare.EQ, float(expected)))
    moved = in_zone(around(holds), zone)
    assert decoded(encoded(moved)) == moved
    (leaf, *_) = (moved.child,) if isinstance(moved, Negated) else moved.children
    assert isinstance(leaf, Leaf) and compiled(leaf.predicate)(View({}, at))


def test_what_says_nothing_of_time_stays_as_it_is() -> None:
    assert in_zone(Leaf(Exists("a", True)), "Europe/Paris") == Leaf(Exists("a", True))
    assert zone_of(None) == zone_of({}) == "UTC"
