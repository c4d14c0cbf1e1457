from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from siem.detection.alarms import Kind
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.event import Event, Fields

T0 = datetime(2026, 11, 22, 20, tzinfo=UTC)
DATASETS = ("idp.audit", "nginx.access", "fhir.audit_event")
RULES = """\
title: Abroad
id: 00000000-0000-4000-8000-000000000001
logsource: {product: veilleur, service: idp}
detection:
  selection: {event.action: login.succeeded}
  home: {source.geo.country_iso_code: FR}
  condition: selection and not home
veilleur: {titre: De loin, resume: "{user.id} depuis {source.ip}", subject: user.id}
---
title: Read
id: 00000000-0000-4000-8000-000000000002
name: read
logsource: {product: fhir}
detection:
  selection: {event.action: record.read}
  condition: selection
---
title: Login
id: 00000000-0000-4000-8000-000000000003
name: login
logsource: {product: veilleur}
detection:
  selection: {event.action: login.succeeded}
  condition: selection
---
title: Login then read, from the same address
id: 00000000-0000-4000-8000-000000000004
correlation:
  type: temporal_ordered
  rules: [login, read]
  aliases:
    who: {login: user.id, read: health.actor.id}
  group-by: [who, source.ip]
  timespan: 10m
veilleur: {titre: Suite, resume: "{who} chez {service.name}", subject: user.id}
"""


def ruleset(folder: Path) -> Ruleset:
    (folder / "rules.yml").write_text(RULES, encoding="utf-8")
    loaded = load_rules(folder)
    assert loaded.errors == ()
    return loaded


def event(number: int, dataset: str, action: str, *, tenant: str = "default", minute: float = 0, **fields: str) -> Event:
    named: Fields = {name.replace("__", "."): value for name, value in fields.items()}
    return Event(f"e{number}", T0 + timedelta(minutes=minute), dataset, tenant, {"event.dataset": dataset, "event.action": action, **named})


def test_a_plain_rule_is_about_its_subject(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path))
    login = event(1, "idp.audit", "login.succeeded", user__id="P-1", source__ip="203.0.113.66", source__geo__country_iso_code="BR")
    (found,) = engine.evaluate([login])
    assert found.group == (("user.id", "P-1"),)
    assert dict(found.values) == {"user.id": "P-1", "source.ip": "203.0.113.66"}
    assert (found.event_ids, found.first_at, found.last_at) == (("e1",), T0, T0)
    assert found.matched_fields == ("event.action", "source.geo.country_iso_code")


def test_aliases_bring_together_fields_of_other_names(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path))
    home = {"source__geo__country_iso_code": "FR", "source__ip": "192.0.2.1"}
    login = event(1, "idp.audit", "login.succeeded", user__id="P-1", **home)
    read = event(
        2,
        "fhir.audit_event",
        "record.read",
        minute=5,
        health__actor__id="P-1",
        user__id="P-9",
        service__name="dossier",
        source__ip="192.0.2.1",
    )
    elsewhere = event(3, "fhir.audit_event", "record.read", minute=5, health__actor__id="P-1", source__ip="192.0.2.2")
    nobody = event(4, "fhir.audit_event", "record.read", minute=5, source__ip="192.0.2.1")
    (found,) = engine.evaluate([read, elsewhere, nobody, login])
    assert found.group == (("who", "P-1"), ("source.ip", "192.0.2.1"))
    assert found.event_ids == ("e1", "e2")
    assert dict(found.values)["service.name"] == "dossier"


def test_tenants_never_meet(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path))
    common = {"source__geo__country_iso_code": "FR", "source__ip": "192.0.2.1"}
    login = event(1, "idp.audit", "login.succeeded", tenant="north", user__id="P-1", **common)
    read = event(2, "fhir.audit_event", "record.read", tenant="south", minute=1, health__actor__id="P-1", source__ip="192.0.2.1")
    assert engine.evaluate([login, read]) == []


def test_a_field_with_several_values_belongs_to_several_groups(tmp_path: Path) -> None:
    (tmp_path / "many.yml").write_text(
        """\
title: Two of a scope
id: 00000000-0000-4000-8000-000000000009
correlation: {type: event_count, rules: [login], group-by: [health.scope], timespan: 10m, condition: {gte: 2}}
""",
        encoding="utf-8",
    )
    engine = Engine(ruleset(tmp_path))
    fields: Fields = {"event.dataset": "idp.audit", "event.action": "login.succeeded", "source.geo.country_iso_code": "FR"}
    events = [
        Event("e1", T0, "idp", "default", {**fields, "health.scope": ["openid", "mail"]}),
        Event("e2", T0, "idp", "default", {**fields, "health.scope": ["openid", "records"]}),
    ]
    assert [found.group for found in engine.evaluate(events)] == [(("health.scope", "openid"),)]


def test_groups_beyond_sixty_four_are_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "many.yml").write_text(
        """\
title: One of a scope
id: 00000000-0000-4000-8000-000000000009
correlation: {type: event_count, rules: [login], group-by: [health.scope], timespan: 10m, condition: {gte: 1}}
""",
        encoding="utf-8",
    )
    engine = Engine(ruleset(tmp_path))
    fields: Fields = {"event.dataset": "idp.audit", "event.action": "login.succeeded", "source.geo.country_iso_code": "FR"}
    found = engine.evaluate([Event("e1", T0, "idp", "default", {**fields, "health.scope": [str(number) for number in range(100)]})])
    assert len(found) == 64
    assert [(one.kind, one.rule_id[-1], one.count) for one in engine.take_alarms()] == [(Kind.STATE_LOST, "9", 36)]


def test_late_events_are_counted_and_still_evaluated(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path), lateness=timedelta(minutes=1))
    engine.evaluate([event(1, "idp.audit", "login.failed", minute=60)])
    late = event(2, "idp.audit", "login.succeeded", user__id="P-1", source__geo__country_iso_code="BR")
    assert len(engine.evaluate([late])) == 1
    assert engine.late_counts == {"idp.audit": 1}


def test_a_source_that_lags_behind_still_finds_what_it_needs(tmp_path: Path) -> None:
    loaded = ruleset(tmp_path)
    logins = [
        event(n, "idp.audit", "login.succeeded", minute=n, user__id=f"P-{n}", source__ip="192.0.2.1", source__geo__country_iso_code="FR")
        for n in range(300)
    ]
    reads = [
        event(1000 + n, "fhir.audit_event", "record.read", minute=n + 1, health__actor__id=f"P-{n}", source__ip="192.0.2.1")
        for n in range(300)
    ]
    engine = Engine(loaded, sources=["idp.audit", "fhir.audit_event"])
    found = [one for batch in (*[[login] for login in logins], reads) for one in engine.evaluate(batch)]
    assert len(found) == 300
    for n in range(300, 900):
        engine.evaluate([event(n, "idp.audit", "login.failed", minute=n), event(n + 5000, "fhir.audit_event", "x", minute=n)])
    assert engine.match_count == 0


def test_state_grows_out_in_small_parts_and_comes_back(tmp_path: Path) -> None:
    loaded = ruleset(tmp_path)
    engine = Engine(loaded)
    common = {"source__geo__country_iso_code": "FR", "source__ip": "192.0.2.1"}
    engine.evaluate([event(n, "idp.audit", "login.succeeded", user__id=f"P-{n}", **common) for n in range(50)])
    first = engine.changed_state()
    assert len(first) == 51
    engine.evaluate([event(99, "idp.audit", "login.succeeded", user__id="P-7", **common)])
    assert len(engine.changed_state()) == 1
    assert engine.changed_state() == {}
    restored = Engine(loaded)
    assert restored.restore({key: data for key, data in first.items() if data is not None}) == 0
    read = event(200, "fhir.audit_event", "record.read", minute=3, health__actor__id="P-3", source__ip="192.0.2.1")
    assert [found.event_ids for found in restored.evaluate([read])] == [("e3", "e200")]


def test_the_same_event_again_adds_nothing_to_a_correlation(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path))
    common = {"source__geo__country_iso_code": "FR", "source__ip": "192.0.2.1"}
    events = [
        event(1, "idp.audit", "login.succeeded", user__id="P-1", **common),
        event(2, "fhir.audit_event", "record.read", minute=1, health__actor__id="P-1", source__ip="192.0.2.1"),
    ]
    assert len(engine.evaluate(events)) == 1
    assert engine.evaluate(events) == []


def test_an_event_from_the_future_does_not_move_time_on_for_the_others(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path), clock=lambda: T0 + timedelta(minutes=2), max_lag=timedelta(minutes=30))
    common = {"source__geo__country_iso_code": "FR", "source__ip": "192.0.2.1"}
    engine.evaluate([event(1, "idp.audit", "login.succeeded", user__id="P-1", **common)])
    engine.evaluate([event(2, "idp.audit", "login.succeeded", minute=60 * 24 * 365, user__id="P-1", **common)])
    read = event(3, "fhir.audit_event", "record.read", minute=1, health__actor__id="P-1", source__ip="192.0.2.1")
    assert [found.event_ids for found in engine.evaluate([read])] == [("e1", "e3")]
    assert engine.ahead_counts == {"idp.audit": 1}


def test_the_index_is_compared_with_evaluating_every_rule_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(ruleset(tmp_path), verify_every=2)
    login = [event(n, "idp.audit", "login.succeeded", user__id="P-1", source__geo__country_iso_code="BR") for n in range(4)]
    assert len(engine.evaluate(login)) == 4
    assert engine.disagreement_counts == {}
    monkeypatch.setattr(engine._matcher, "find", lambda fields, at, tenant, heard=None: None)
    # What every rule says is what counts.
    assert len(engine.evaluate(login)) == 2
    assert engine.disagreement_counts == {"00000000-0000-4000-8000-000000000001": 2, "00000000-0000-4000-8000-000000000003": 2}


BOMB = """\
title: Look-around that goes back and back
id: 00000000-0000-4000-8000-0000000000b0
name: bomb
logsource: {product: veilleur, service: idp}
detection:
  selection: {event.action: login.succeeded}
  filter: {user_agent.original|re: "(c.*)(c.*)(c.*)\\\\1c.*d"}
  condition: selection and not filter
---
title: Many of them
id: 00000000-0000-4000-8000-0000000000b1
correlation: {type: event_count, rules: [bomb], group-by: [user.id], timespan: 10m, condition: {gte: 2}, generate: true}
"""
BOMB_ID = "00000000-0000-4000-8000-0000000000b0"


@pytest.mark.timeout(120)
def test_a_regular_expression_that_goes_off_takes_its_rule_out_of_force_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ruleset(tmp_path)
    (tmp_path / "bomb.yml").write_text(BOMB, encoding="utf-8")
    loaded = load_rules(tmp_path)
    assert loaded.errors == ()
    engine = Engine(loaded)
    abroad = {"source__geo__country_iso_code": "BR", "user__id": "P-1"}
    harmless = event(1, "idp.audit", "login.succeeded", user_agent__original="Firefox", **abroad)
    assert BOMB_ID in {found.rule_id for found in engine.evaluate([harmless])}
    deadly = event(2, "idp.audit", "login.succeeded", minute=1, user_agent__original="x" + "c" * 9000, **abroad)
    assert BOMB_ID not in {found.rule_id for found in engine.evaluate([deadly])}
    (out,) = engine.out_of_force
    assert (out.rule_id, out.event_count, out.at) == (BOMB_ID, 1, deadly.at)
    assert "100 ms" in out.problem
    assert BOMB_ID in caplog.text
    # Out of force: it judges nothing, so it is not false either, and its «not» does not make it true. The others go on.
    more = [event(3 + n, "idp.audit", "login.succeeded", minute=2, user_agent__original="Firefox", **abroad) for n in range(50)]
    fired = {found.rule_id for found in engine.evaluate(more)}
    assert BOMB_ID not in fired
    assert "00000000-0000-4000-8000-000000000001" in fired
    assert engine.out_of_force[0].event_count == 51
    (alarm,) = engine.take_alarms()
    assert (alarm.kind, alarm.count, alarm.problem) == (Kind.OUT_OF_FORCE, 51, out.problem) and engine.take_alarms() == []
    assert engine.put_back(BOMB_ID)
    assert not engine.put_back(BOMB_ID)
    assert engine.out_of_force == ()
    assert BOMB_ID in {found.rule_id for found in engine.evaluate([event(99, "idp.audit", "login.succeeded", minute=3, **abroad)])}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "fields",
    [
        {"url.original": "../" * 3_000_000},
        {"url.original": "'or " * 1_000_000, "user_agent.original": "%" * 2_000_000},
        {f"field.{number}": "x" for number in range(100_000)},
        {"url.original": "\ud800 lone surrogate \x00 zero"},
        {"http.response.status_code": float("nan"), "url.path": [["nested"], {"deeper": 1}]},
        {"event.action": None, "user.id": [], "source.ip": [None]},
        {"http.response.status_code": 10**400},
    ],
    ids=["9 MB", "unions", "100,000 fields", "not Unicode", "not a number", "nulls", "a huge number"],
)
def test_an_odd_event_harms_nothing(fields: Fields) -> None:
    loaded = load_rules(Path(__file__).resolve().parents[3] / "rules")
    engine = Engine(loaded)
    odd = [Event(f"e{place}", T0, dataset, "default", {**fields, "event.dataset": dataset}) for place, dataset in enumerate(DATASETS)]
    engine.evaluate(odd)
    good = event(9, "idp.audit", "refresh_token.replayed", user__id="P-1")
    assert [found.event_ids for found in engine.evaluate([good])] == [("e9",)]
