from pathlib import Path

from siem.detection.load import Ruleset, load_rules
from siem.detection.plan import (
    asked_of_matches,
    carried_fields,
    delays,
    feeds,
    fields_looked_at,
    fields_named,
    fields_of_events,
    keeping,
    reaches,
)

RULES = """\
title: Login
id: 00000000-0000-4000-8000-000000000001
name: login
logsource: {product: veilleur}
detection:
  selection: {event.action: login.failed}
  condition: selection
---
title: Many
id: 00000000-0000-4000-8000-000000000002
name: many
correlation: {type: event_count, rules: [login], group-by: [source.ip], timespan: 10m, condition: {gte: 3}}
---
title: Many of one person
id: 00000000-0000-4000-8000-000000000003
correlation:
  type: value_count
  rules: [many]
  aliases: {who: {many: user.id}}
  group-by: [who]
  timespan: 1h
  condition: {field: health.device.id, gte: 2}
veilleur: {titre: T, resume: "{who} chez {service.name}, {count} fois", subject: who}
"""
LOGIN, MANY, PARENT = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


def loaded(folder: Path) -> Ruleset:
    (folder / "rules.yml").write_text(RULES, encoding="utf-8")
    ruleset = load_rules(folder)
    assert ruleset.errors == ()
    return ruleset


def test_a_child_carries_what_its_parent_needs(tmp_path: Path) -> None:
    carried = carried_fields(loaded(tmp_path).correlations)
    assert carried[PARENT] == ("service.name",)
    assert set(carried[MANY]) == {"user.id", "health.device.id", "service.name"}


def test_feeds_speak_the_names_of_the_rule_they_come_from(tmp_path: Path) -> None:
    correlations = loaded(tmp_path).correlations
    found = feeds(correlations, carried_fields(correlations))
    (from_login,), (from_many,) = found[LOGIN], found[MANY]
    assert (from_login.group, from_login.target.rule.id) == (("source.ip",), MANY)
    assert (from_many.group, from_many.values) == (("user.id",), ("health.device.id",))


def test_a_child_is_kept_as_long_as_its_parent_may_ask(tmp_path: Path) -> None:
    assert keeping(loaded(tmp_path)) == {MANY: 70 * 60_000_000, PARENT: 60 * 60_000_000}
    assert reaches(loaded(tmp_path).correlations) == {MANY: 0, PARENT: 10 * 60_000_000}, "the parent tells of the child's window too"


HABIT = """\
---
title: Habit
id: 00000000-0000-4000-8000-000000000004
name: habit
veilleur: {baseline: {type: TYPE, rules: [login], group-by: [user.id]}}
---
title: Over it
id: 00000000-0000-4000-8000-000000000005
name: over
correlation: {type: temporal, rules: [habit, many], group-by: [user.id], timespan: 30m, aliases: {user.id: {many: user.id}}}
---
title: Over that
id: 00000000-0000-4000-8000-000000000006
correlation: {type: event_count, rules: [over], group-by: [user.id], timespan: 2h, condition: {gte: 2}}
"""


def test_what_stands_over_a_habit_is_kept_and_closed_later_by_the_span_that_it_measures(tmp_path: Path) -> None:
    over, above = (f"00000000-0000-4000-8000-00000000000{number}" for number in (5, 6))
    minute = 60_000_000
    for said, late in (("own_median, per: hour, lookback: 9h, minimum: 1, factor: 2, floor: 3", 60), ("first_seen, lookback: 9h", 0)):
        new = ", field: source.ip, learning: 1h" if late == 0 else ""
        (tmp_path / "rules.yml").write_text(RULES + HABIT.replace("TYPE", said + new), encoding="utf-8")
        ruleset = load_rules(tmp_path)
        assert ruleset.errors == ()
        assert {rule_id: count // minute for rule_id, count in delays(ruleset).items()} == {MANY: 0, PARENT: 0, over: late, above: late}
        kept = {rule_id: count // minute for rule_id, count in keeping(ruleset).items()}
        assert (kept[above], kept[over], kept[MANY]) == (late + 120, late + 150, late + 160)


def test_a_correlation_looked_at_what_the_rules_behind_it_did(tmp_path: Path) -> None:
    assert fields_looked_at(loaded(tmp_path))[PARENT] == ("user.id", "health.device.id", "source.ip", "event.action")


def test_an_alias_stands_for_the_field_that_is_counted_too(tmp_path: Path) -> None:
    aliased = RULES.replace("{who: {many: user.id}}", "{who: {many: user.id}, what: {many: health.device.id}}")
    (tmp_path / "rules.yml").write_text(aliased.replace("field: health.device.id", "field: what"), encoding="utf-8")
    ruleset = load_rules(tmp_path)
    assert ruleset.errors == ()
    (feed,) = feeds(ruleset.correlations, carried_fields(ruleset.correlations))[MANY]
    assert (feed.group, feed.values) == (("user.id",), ("health.device.id",))


def test_of_an_event_only_what_some_rule_speaks_of_is_read(tmp_path: Path) -> None:
    assert fields_of_events(loaded(tmp_path)) == {
        "event.action",
        "event.dataset",
        "source.ip",
        "user.id",
        "who",
        "health.device.id",
        "service.name",
    }


def test_what_correlations_group_by_and_measure_is_asked_of_the_rules_behind_them(tmp_path: Path) -> None:
    assert asked_of_matches(loaded(tmp_path)) == {LOGIN: {MANY: ("source.ip",), PARENT: ("user.id", "health.device.id")}}


def test_fields_that_rules_count_by_and_tell_by_are_named_by_them(tmp_path: Path) -> None:
    assert {"user.id", "health.device.id", "service.name", "event.dataset"} <= fields_named(loaded(tmp_path))


def test_a_keyword_reads_every_field(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES.replace("selection: {event.action: login.failed}", "selection: [kiwi]"), encoding="utf-8")
    ruleset = load_rules(tmp_path)
    assert ruleset.errors == ()
    assert fields_of_events(ruleset) is None
