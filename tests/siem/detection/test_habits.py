"""Baselines through the engine, against the definitions written out slowly over the whole set of matches."""

import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from siem.detection import Detection
from siem.detection.alarms import Kind
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.state import StateKey
from siem.event import Event
from tests.examples import examples

T0 = datetime(2026, 11, 23, tzinfo=UTC)
LATENESS = timedelta(minutes=10)
MINUTE = 60
BASE = """\
title: Read
id: 00000000-0000-4000-8000-000000000001
name: read
logsource: {product: fhir}
detection:
  selection: {event.action: record.read}
  condition: selection
"""
SECTIONS = {
    "first_seen": "{type: first_seen, rules: [read], group-by: [user.id], field: source.ip, lookback: 1h, learning: 25m, fresh: 15m}",
    "first_seen, told late": (
        "{type: first_seen, rules: [read], group-by: [user.id], field: source.ip, lookback: 1h, learning: 5m, fresh: 2m}"
    ),
    "first_seen of nobody's": "{type: first_seen, rules: [read], field: [user.id, source.ip], lookback: 2h, learning: 30m, fresh: 15m}",
    "own_median": "{type: own_median, rules: [read], group-by: user.id, per: hour, lookback: 4h, minimum: 2, factor: 2, floor: 3}",
    "own_median of values": (
        "{type: own_median, rules: [read], group-by: user.id, field: source.ip, per: hour, lookback: 5h, minimum: 1, factor: 1.5, "
        "floor: 2, cap: 4}"
    ),
    "peer_group": (
        "{type: peer_group, rules: [read], group-by: user.id, peers: health.professional.profession, per: hour, minimum: 2, factor: 2, "
        "floor: 2, percentile: 75}"
    ),
    "peer_group with a cap": (
        "{type: peer_group, rules: [read], group-by: user.id, field: source.ip, peers: health.professional.profession, per: hour, "
        "minimum: 1, factor: 3, floor: 2, cap: 4}"
    ),
}
IDS = {name: f"00000000-0000-4000-8000-0000000001{place:02}" for place, name in enumerate(SECTIONS)}
#: Written from time to time only.
PROFILES = StateKey.of_profiles().text()
Groups = dict[tuple[str, ...], set[str]]


def document(name: str) -> str:
    return f"title: {name}\nid: {IDS[name]}\nveilleur: {{baseline: {SECTIONS[name]}, subject: user.id}}\n"


@cache
def ruleset() -> Ruleset:
    with TemporaryDirectory() as folder:
        (Path(folder) / "rules.yml").write_text("---\n".join([BASE, *map(document, SECTIONS)]), encoding="utf-8")
        loaded = load_rules(Path(folder))
    assert loaded.errors == ()
    return loaded


def event(number: int, second: float, user: str, address: str) -> Event:
    profession = "10" if user in ("P-1", "P-2", "P-3") else "60"
    return Event(
        f"e{number:03}",
        T0 + timedelta(seconds=second),
        "fhir",
        "default",
        {
            "event.dataset": "fhir.audit_event",
            "event.action": "record.read",
            "user.id": user,
            "source.ip": address,
            "health.professional.profession": profession,
        },
    )


# ------------------------------------------------------------------------------------------------------ the definitions
def runs(events: Sequence[Event], reach: int) -> list[list[Event]]:
    """Events in order, cut where more than ``reach`` minutes lie between two of them."""
    found: list[list[Event]] = []
    for one in sorted(events, key=lambda one: (one.at, one.id)):
        if found and minute(one) - minute(found[-1][-1]) <= reach:
            found[-1].append(one)
        else:
            found.append([one])
    return found


def minute(one: Event) -> int:
    return int((one.at - T0).total_seconds()) // MINUTE


def grouped(events: Iterable[Event], *names: str) -> dict[tuple[str, ...], list[Event]]:
    found: dict[tuple[str, ...], list[Event]] = {}
    for one in events:
        found.setdefault(tuple(str(one.fields[name]) for name in names), []).append(one)
    return found


def new_values(events: Sequence[Event], own: Sequence[str], fields: Sequence[str], numbers: tuple[int, int, int]) -> Groups:
    reach, learning, fresh = numbers
    found: Groups = {}
    for group, of_group in grouped(events, *own).items():
        known = runs(of_group, reach)
        for value, of_value in grouped(of_group, *fields).items():
            for run in runs(of_value, reach):
                since = next(whole[0].at for whole in known if run[0] in whole)
                if run[0].at - since >= timedelta(minutes=learning):
                    ids = {one.id for one in run if one.at - run[0].at <= timedelta(minutes=fresh)}
                    found.setdefault((*group, *value), set()).update(ids)
    return found


def hours(events: Iterable[Event], distinct: str) -> dict[int, tuple[set[str], float]]:
    """For each hour, the events and their measure."""
    found: dict[int, list[Event]] = {}
    for one in events:
        found.setdefault(minute(one) // 60, []).append(one)
    return {
        hour: ({one.id for one in of_hour}, len({one.fields[distinct] for one in of_hour} if distinct else of_hour))
        for hour, of_hour in found.items()
    }


def above_own(events: Sequence[Event], distinct: str, limit: Callable[[list[float]], float], reach: int) -> Groups:
    found: Groups = {}
    for group, of_group in grouped(events, "user.id").items():
        by_hour = hours(of_group, distinct)
        for hour, (ids, measure) in by_hour.items():
            if measure >= limit([by_hour[before][1] for before in range(hour - reach, hour) if before in by_hour]):
                found.setdefault(group, set()).update(ids)
    return found


def above_peers(events: Sequence[Event], distinct: str, limit: Callable[[list[float]], float]) -> Groups:
    found: Groups = {}
    for (profession,), of_kind in grouped(events, "health.professional.profession").items():
        people = {user: hours(of_user, distinct) for (user,), of_user in grouped(of_kind, "user.id").items()}
        for user, by_hour in people.items():
            for hour, (ids, measure) in by_hour.items():
                peers = [other[hour][1] for name, other in people.items() if name != user and hour in other]
                if measure >= limit(peers):
                    found.setdefault((user, profession), set()).update(ids)
    return found


def upper_quartile(numbers: Sequence[float]) -> float:
    return statistics.quantiles([*numbers], n=4, method="inclusive")[2] if len(numbers) > 1 else numbers[0]


NEVER = float("inf")
SLOWLY: Mapping[str, Callable[[Sequence[Event]], Groups]] = {
    "first_seen": lambda events: new_values(events, ["user.id"], ["source.ip"], (60, 25, 15)),
    "first_seen, told late": lambda events: new_values(events, ["user.id"], ["source.ip"], (60, 5, 2)),
    "first_seen of nobody's": lambda events: new_values(events, [], ["user.id", "source.ip"], (120, 30, 15)),
    "own_median": lambda events: above_own(
        events, "", lambda before: max(3, 2 * statistics.median(before)) if len(before) >= 2 else NEVER, 4
    ),
    "own_median of values": lambda events: above_own(
        events, "source.ip", lambda before: min(4, max(2, 1.5 * statistics.median(before))) if before else 4, 5
    ),
    "peer_group": lambda events: above_peers(events, "", lambda peers: max(2, 2 * upper_quartile(peers)) if len(peers) >= 2 else NEVER),
    "peer_group with a cap": lambda events: above_peers(
        events, "source.ip", lambda peers: min(4, max(2, 3 * statistics.median(peers))) if peers else 4
    ),
}


# ----------------------------------------------------------------------------------------------------------- the engine
def gathered(detections: Iterable[Detection], rule_id: str) -> Groups:
    found: Groups = {}
    for one in detections:
        if one.rule_id == rule_id:
            ids = found.setdefault(tuple(value for _, value in one.group), set())
            assert not ids.intersection(one.event_ids), "an event was returned twice"
            ids.update(one.event_ids)
    return found


def run(arrivals: Sequence[Event], cuts: Iterable[int], restarts: Iterable[int]) -> list[Detection]:
    """Evaluate in batches; at ``restarts`` the engine is made anew from what it wrote down."""
    engine, written = Engine(ruleset(), lateness=LATENESS), dict[str, bytes]()
    found: list[Detection] = []
    places = sorted({0, len(arrivals), *cuts, *restarts})
    for begin, end in pairwise(places):
        found += engine.evaluate(arrivals[begin:end])
        for key, data in engine.changed_state().items():
            if data is None:
                written.pop(key, None)
            else:
                written[key] = data
        assert written == {key: data for key, data in engine.export_state().items() if key != PROFILES}
        if end in restarts:
            engine = Engine(ruleset(), lateness=LATENESS)
            assert engine.restore(written) == 0
    assert engine.alarms == ()
    return found + engine.flush()


def story(rng: random.Random) -> tuple[list[Event], list[Event]]:
    """Events in order, and the same as they arrive: none more than the lateness behind another, some of them twice."""
    busy = rng.choice([60, 200, 700])
    events = [
        event(
            number,
            rng.choice([rng.randint(0, busy), rng.randint(0, busy) // 60 * 60]) * MINUTE + rng.choice([0, 0, 30]),
            rng.choice(["P-1", "P-1", "P-2", "P-3", "P-4"]),
            f"192.0.2.{rng.randint(1, 6)}",
        )
        for number in range(rng.randint(1, 90))
    ]
    again = rng.sample(events, rng.randint(0, len(events) // 3))
    late = LATENESS.total_seconds()
    arrivals = sorted((one.at + timedelta(seconds=rng.uniform(0, late)), rng.random(), one) for one in [*events, *again])
    return events, [one for _, _, one in arrivals]


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**64))
def test_what_is_found_is_what_the_definition_says(seed: int) -> None:
    rng = random.Random(seed)
    events, arrivals = story(rng)
    cuts, restarts = (rng.sample(range(len(arrivals)), min(len(arrivals), rng.randint(0, most))) for most in (12, 3))
    found = run(arrivals, cuts, restarts)
    for name, slowly in SLOWLY.items():
        assert gathered(found, IDS[name]) == slowly(events), name


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**64))
def test_an_engine_that_adopts_what_another_learned_goes_on_as_that_one(seed: int) -> None:
    """The one adopts has seen the last part alone; what it writes down is what it then knows."""
    rng = random.Random(seed)
    _, arrivals = story(rng)
    adopted = rng.randint(1, len(arrivals))
    came = rng.randrange(adopted)
    always, late = Engine(ruleset(), lateness=LATENESS), Engine(ruleset(), lateness=LATENESS)
    always.evaluate(arrivals[:adopted])
    late.evaluate(arrivals[came:adopted])  # at least one event: time has begun
    written = {key: data for key, data in late.changed_state().items() if data is not None}
    for rule_id in IDS.values():
        late.adopt(rule_id, "default", {key: data for key, data in always.learned.items() if rule_id in key})
    for key, data in late.changed_state().items():
        written.pop(key, None) if data is None else written.update({key: data})
    assert {key: data for key, data in written.items() if key != PROFILES and '"",""' not in key} == late.learned == always.learned
    found = [[*engine.evaluate(arrivals[adopted:]), *engine.flush()] for engine in (always, late)]
    for rule_id in IDS.values():
        assert gathered(found[0], rule_id) == gathered(found[1], rule_id)


# ------------------------------------------------------------------------------------------------- around the definition
def reads(count: int, *, first: int = 0, hour: float = 0, user: str = "P-1", address: str = "192.0.2.1") -> list[Event]:
    return [event(first + number, hour * 3600 + number, user, address) for number in range(count)]


def test_a_detection_says_why() -> None:
    usual = [one for hour in range(3) for one in reads(4, first=100 * hour, hour=hour)]
    found = [one for one in run([*usual, *reads(9, first=900, hour=3)], [], []) if one.rule_id == IDS["own_median"]]
    (detection,) = found
    assert detection.group == (("user.id", "P-1"),)
    assert dict(detection.values) == {"user.id": "P-1", "count": "9", "usual": "4", "limit": "8"}
    assert (detection.first_at, detection.last_at) == (T0 + timedelta(hours=3), T0 + timedelta(hours=3, seconds=8))
    assert detection.matched_fields == ("user.id", "event.action")


def test_a_new_value_is_part_of_what_the_alert_is_about() -> None:
    arrivals = [*reads(1), *reads(1, first=1, hour=0.6, address="203.0.113.66")]
    (detection,) = [one for one in run(arrivals, [], []) if one.rule_id == IDS["first_seen"]]
    assert detection.group == (("user.id", "P-1"), ("source.ip", "203.0.113.66"))
    assert dict(detection.values)["usual"] == "192.0.2.1"


def test_a_match_without_the_field_is_of_no_habit() -> None:
    nobody = event(1, 0, "P-1", "192.0.2.1")
    del nobody.fields["user.id"]
    engine = Engine(ruleset())
    engine.evaluate([nobody])
    assert engine.match_count == 0


def test_tenants_have_habits_of_their_own() -> None:
    here = reads(1)
    there = [one._replace(tenant="south") for one in reads(1, first=1, hour=0.6, address="203.0.113.66")]
    assert [one for one in run([*here, *there], [], []) if one.rule_id == IDS["first_seen"]] == []


def test_a_full_rule_says_so_and_takes_nothing_from_another() -> None:
    crowd = [event(number, number, f"U-{number}", f"10.0.{number // 250}.{number % 250}") for number in range(700)]
    small, large = Engine(ruleset(), lateness=LATENESS, max_matches=100), Engine(ruleset(), lateness=LATENESS)
    own = [one for hour in range(1, 4) for one in reads(4, first=1000 + 100 * hour, hour=hour)] + reads(9, first=1900, hour=4)
    for engine in (small, large):
        for part in (crowd, own):
            engine.evaluate(part)
    assert {alarm.rule_id for alarm in small.alarms} == set(IDS.values())
    assert large.alarms == ()
    assert small.match_count < 600 * len(IDS)
    assert [one.rule_id for one in large.flush()].count(IDS["own_median"]) == 1


GLASS = """\
title: Glass
id: 00000000-0000-4000-8000-000000000002
name: glass
logsource: {product: fhir}
detection:
  selection: {event.action: break_glass.started}
  condition: selection
---
title: Glass of somebody new
id: 00000000-0000-4000-8000-000000000003
veilleur: {baseline: {type: first_seen, rules: [glass], field: user.id, lookback: 2h, learning: 10m}, subject: user.id}
---
title: Glass again and again
id: 00000000-0000-4000-8000-000000000004
correlation: {type: event_count, rules: [glass], group-by: [user.id], timespan: 3h, condition: {gte: 3}}
"""


def test_one_rule_that_is_full_takes_nothing_from_another_nor_from_another_tenant(tmp_path: Path) -> None:
    """A crowd fills what habits of reading remember; habits of breaking glass, a correlation, and the other tenant find what they would."""
    (tmp_path / "rules.yml").write_text("---\n".join([BASE, *map(document, SECTIONS), GLASS]), encoding="utf-8")
    rules = load_rules(tmp_path)
    assert rules.errors == ()
    crowd = [event(number, number, f"U-{number}", f"10.0.{number // 250}.{number % 250}") for number in range(700)]
    broken = [event(2000 + number, number * 900, f"P-{number // 3}", "192.0.2.1") for number in range(12)]
    for one in broken:
        one.fields["event.action"] = "break_glass.started"
    own = [one for hour in range(1, 4) for one in reads(4, first=1000 + 100 * hour, hour=hour)] + reads(9, first=1900, hour=4)
    events = sorted([*crowd, *broken, *own], key=lambda one: one.at)
    both = [made for one in events for made in (one, *([one._replace(id=f"s{one.id}", tenant="south")] if one not in crowd else []))]
    small, large = (Engine(rules, lateness=LATENESS, max_matches=most) for most in (40, 100_000))
    told = []
    for engine in (small, large):
        found = [one for begin in range(0, len(both), 50) for one in engine.evaluate(both[begin : begin + 50])] + engine.flush()
        mine = {"00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000004"}
        told.append({(one.rule_id, one.tenant, one.event_ids) for one in found if one.rule_id in mine or one.tenant == "south"})
    assert told[0] == told[1] and {rule_id for rule_id, _, _ in told[0]} >= {*mine, IDS["own_median"]}
    assert {(alarm.rule_id, alarm.tenant) for alarm in small.alarms} == {(rule_id, "default") for rule_id in IDS.values()}
    raised = {(one.kind, one.rule_id): one.count for one in small.take_alarms()}
    assert raised == {(Kind.STATE_LOST, alarm.rule_id): alarm.lost_count for alarm in small.alarms}, "each is told, with how much it lost"
    assert small.match_count <= len(rules.rules) * 2 * 40 * 5 and large.alarms == ()


def test_a_flood_of_one_new_value_is_bounded_while_it_waits_to_be_told() -> None:
    """What is told late waits for late events: the wait is part of what is counted."""
    engine = Engine(ruleset(), lateness=timedelta(hours=2), max_matches=20)
    engine.evaluate(reads(1))
    for part in range(20):
        engine.evaluate(reads(50, first=10 + 50 * part, hour=0.5, address="203.0.113.66"))
        assert engine.match_count <= len(IDS) * 20 * 5
    assert {alarm.rule_id for alarm in engine.alarms} >= {IDS["first_seen"], IDS["own_median"]}
    state = engine.export_state()
    again = Engine(ruleset(), lateness=timedelta(hours=2), max_matches=20)
    again.restore(state)
    assert again.match_count == engine.match_count


def test_state_of_a_rule_that_says_something_else_now_is_dropped() -> None:
    engine = Engine(ruleset())
    engine.evaluate(reads(3))
    state = engine.export_state()
    changed = replace(ruleset(), baselines=tuple(replace(one, baseline=replace(one.baseline, floor=99.0)) for one in ruleset().baselines))
    other = Engine(changed)
    assert other.restore(state) == sum(1 for key in state if '"00000000' in key)
    assert other.match_count == 0
    gone = other.changed_state()
    assert [key for key, data in gone.items() if data is not None] == []


def test_a_summary_may_change_while_something_is_remembered() -> None:
    """What the sentence shows is no part of the habit: nothing is learned anew, and nothing that was kept gets in the way."""
    engine = Engine(ruleset())
    engine.evaluate([*reads(9), *reads(1, first=50, user="P-2"), *reads(1, first=60, user="P-3")])
    told = {
        "more": lambda rule: replace(rule, summary_fr="{user.id} depuis {source.ip}, {user_agent.original} : {count}"),
        "other": lambda rule: replace(rule, summary_fr="{health.professional.profession} : {count}", subject="source.ip"),
        "less": lambda rule: replace(rule, summary_fr="{count}", subject=""),
    }
    for change in told.values():
        rewritten = tuple(replace(one, rule=change(one.rule)) for one in ruleset().baselines)
        after = Engine(replace(ruleset(), baselines=rewritten))
        assert after.restore(engine.export_state()) == 0 and after.match_count == engine.match_count
        ours = {one.rule_id: one for one in after.flush()}
        expected = Engine(ruleset())
        expected.restore(engine.export_state())
        assert IDS["peer_group"] in ours, "what the hour's end alone tells was waiting"
        assert {rule_id: one.event_ids for rule_id, one in ours.items()} == {one.rule_id: one.event_ids for one in expected.flush()}
        assert all(dict(one.values).get("user.id", "P").startswith("P") for one in ours.values()), "no value under another's name"
