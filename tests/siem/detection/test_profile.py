from datetime import UTC, datetime, timedelta
from pathlib import Path

from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.pipelines import product_pipelines
from siem.detection.profile import TIMED_EVERY, Profiles, UnseenField, every
from siem.event import Event

T0 = datetime(2026, 11, 22, 20, tzinfo=UTC)
LOGIN = "00000000-0000-4000-8000-000000000001"
READ = "00000000-0000-4000-8000-000000000002"
MANY = "00000000-0000-4000-8000-000000000003"
DEVICES = "00000000-0000-4000-8000-000000000004"
RULES = f"""\
title: Login by telephone
id: {LOGIN}
name: login
logsource: {{product: veilleur}}
detection:
  selection: {{event.action: login.succeeded, health.authentication.method: device}}
  condition: selection
---
title: Read
id: {READ}
logsource: {{product: fhir}}
detection:
  selection: {{event.action: record.read, health.access.purpose: BTG}}
  condition: selection
---
title: Many logins
id: {MANY}
correlation: {{type: event_count, rules: [login], group-by: [user.id], timespan: 10m, condition: {{gte: 3}}, generate: true}}
"""


def ruleset(folder: Path, text: str = RULES) -> Ruleset:
    (folder / "rules.yml").write_text(text, encoding="utf-8")
    loaded = load_rules(folder)
    assert loaded.errors == ()
    return loaded


def login(number: int, method: str = "device") -> Event:
    fields = {"event.dataset": "idp.audit", "event.action": "login.succeeded", "user.id": "P-1", "health.authentication.method": method}
    return Event(f"e{number}", T0 + timedelta(seconds=number), "idp", "default", dict(fields))


def test_what_a_rule_evaluates_matches_and_costs_is_counted(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path))
    engine.evaluate([login(number, "device" if number % 2 else "password") for number in range(4 * TIMED_EVERY)])
    profiles = {one.rule_id: one for one in engine.profiles.rules()}
    assert profiles[LOGIN].match_count == 2 * TIMED_EVERY
    assert profiles[LOGIN].evaluated_count >= profiles[LOGIN].match_count
    assert profiles[LOGIN].cpu_seconds > 0
    assert profiles[LOGIN].last_match_at == T0 + timedelta(seconds=4 * TIMED_EVERY - 1)
    assert (profiles[MANY].evaluated_count, profiles[MANY].match_count) == (2 * TIMED_EVERY, 1)
    assert (profiles[READ].evaluated_count, profiles[READ].match_count, profiles[READ].last_match_at) == (0, 0, None)


def test_a_field_that_rules_name_and_a_source_never_had_is_told(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path))
    event = login(1)
    del event.fields["health.authentication.method"]
    engine.evaluate([event])
    assert engine.profiles.unseen() == [UnseenField("idp", "health.authentication.method", (LOGIN,))]
    engine.evaluate([login(2)])
    assert engine.profiles.unseen() == []


COUNTING = f"""\
---
title: Many devices
id: {DEVICES}
correlation:
  type: value_count
  rules: [login]
  aliases: {{what: {{login: health.device.id}}}}
  group-by: [service.name]
  timespan: 10m
  condition: {{field: what, gte: 3}}
"""


def test_a_field_that_only_a_correlation_counts_or_groups_by_is_told_too(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path, RULES + COUNTING))
    event = login(1)
    engine.evaluate([event])
    assert engine.profiles.unseen() == [
        UnseenField("idp", "health.device.id", (DEVICES,)),
        UnseenField("idp", "service.name", (DEVICES,)),
    ]
    engine.evaluate([login(2)._replace(fields={**event.fields, "health.device.id": "d", "service.name": "0B0000005"})])
    assert engine.profiles.unseen() == []


def test_a_field_that_may_stand_in_several_places_is_missed_where_none_of_them_came(tmp_path: Path) -> None:
    text = f"""\
title: Started
id: {LOGIN}
logsource: {{product: windows, category: process_creation}}
detection:
  selection: {{Image|endswith: cmd.exe, CommandLine|contains: x}}
  condition: selection
"""
    (tmp_path / "rules.yml").write_text(text, encoding="utf-8")
    engine = Engine(load_rules(tmp_path, sources=product_pipelines().fed_by({"ecs"})))
    of_the_kind = {"winlog.channel": "Microsoft-Windows-Sysmon/Operational", "event.code": 1}
    engine.evaluate([Event("e", T0, "ad", "default", {**of_the_kind, "process.executable": "C:\\cmd.exe"})])
    missed = UnseenField("ad", "process.command_line", (LOGIN,), ("winlog.event_data.CommandLine",))
    assert missed in engine.profiles.unseen()
    assert not [one for one in engine.profiles.unseen() if "Image" in one.field]
    engine.evaluate([Event("f", T0, "ad", "default", {**of_the_kind, "winlog.event_data.CommandLine": "x"})])
    assert missed not in engine.profiles.unseen()


def test_counters_come_back_with_the_state_and_follow_a_change_of_the_rules(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path))
    engine.evaluate([login(number) for number in range(5)])
    state = engine.export_state()
    again = Engine(ruleset(tmp_path))
    assert again.restore(state) == 0
    assert again.profiles.rules() == engine.profiles.rules()
    changed = Engine(
        ruleset(tmp_path, RULES.replace(READ, "00000000-0000-4000-8000-000000000009").replace("method: device", "acr: eidas1"))
    )
    changed.restore(state)
    profiles = {one.rule_id: one for one in changed.profiles.rules()}
    assert profiles[LOGIN].match_count == 5
    assert READ not in profiles
    # What came before the change is remembered: nothing has to be seen anew to know that the field is not there.
    assert changed.profiles.unseen() == [UnseenField("idp", "health.authentication.acr", (LOGIN,))]


def test_counters_are_written_from_time_to_time_not_with_every_batch(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path))
    written = []
    for number in range(100):
        engine.evaluate([login(number)])
        written.append(any('"profiles"' in key for key in engine.changed_state()))
    assert sum(written) == 5
    busy = Profiles([])
    assert [busy.due(count) for count in (15_000, 30_000, 45_000, 60_000)] == [False, True, False, True]
    assert not any(busy.due(60_000) for _ in range(100))


def test_a_source_that_invents_names_without_end_fills_only_so_much(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path))
    for number in range(30):
        fields = {f"field.{number}.{place}": "x" for place in range(1000)}
        engine.evaluate([Event(f"e{number}", T0, "idp", "default", {"event.dataset": f"kind-{number}", **fields})])
    kept = engine.profiles.export()
    assert kept.count(b'"field.') <= 11_000


def test_a_share_of_events_is_one_in_so_many() -> None:
    assert [every(share) for share in (0, 0.001, 0.5, 1)] == [0, 1000, 2, 1]
