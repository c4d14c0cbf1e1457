from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.match import Matcher
from siem.detection.predicates import View
from siem.event import Event

RULE = """\
title: Failed login
id: 00000000-0000-4000-8000-000000000001
name: failed
logsource: {product: veilleur, service: idp}
detection:
  selection: {event.action: login.failed}
  condition: selection
"""
FILTER = """\
title: Not the probe
id: 00000000-0000-4000-8000-0000000000f1
logsource: {product: veilleur}
filter:
  rules: [failed]
  probe: {source.ip|cidr: 10.0.0.0/8}
  condition: not probe
"""


def load(folder: Path, rule: str = RULE, added: str = FILTER) -> Ruleset:
    (folder / "rule.yml").write_text(rule, encoding="utf-8")
    (folder / "a_filter.yml").write_text(added, encoding="utf-8")
    return load_rules(folder)


def failed_login(address: str) -> dict[str, str]:
    return {"event.dataset": "idp.audit", "event.action": "login.failed", "source.ip": address}


def matches(loaded: Ruleset, address: str) -> bool:
    return bool(list(Matcher(loaded.singles).match(View(failed_login(address)))))


@pytest.mark.parametrize("rules", ["[failed]", "failed", "[00000000-0000-4000-8000-000000000001]", "any", "[any]"])
@pytest.mark.trap("rules: any")
def test_a_filter_is_added_to_the_rules_it_names(rules: str, tmp_path: Path) -> None:
    loaded = load(tmp_path, added=FILTER.replace("[failed]", rules))
    assert loaded.errors == ()
    assert len(loaded.rules) == 1
    assert matches(loaded, "192.0.2.1")
    assert not matches(loaded, "10.2.3.4")


def test_a_filter_without_not_keeps_only_what_it_names(tmp_path: Path) -> None:
    loaded = load(tmp_path, added=FILTER.replace("not probe", "probe"))
    assert not matches(loaded, "192.0.2.1")


def test_a_filter_of_another_log_source_is_not_added(tmp_path: Path) -> None:
    every = FILTER.replace("product: veilleur", "product: nginx").replace("[failed]", "any")
    loaded = load(tmp_path, added=every)
    assert loaded.errors == ()
    assert matches(loaded, "10.2.3.4")


@pytest.mark.parametrize("condition", ["not 1 of selection_*", "not 1 of them", "not (selection_a or selection_b)"])
@pytest.mark.trap("not 1 of in a filter")
def test_a_filter_may_leave_out_by_a_pattern(condition: str, tmp_path: Path) -> None:
    selections = "selection_a: {source.ip: 10.2.3.4}\n  selection_b: {source.ip: 10.2.3.5}"
    loaded = load(tmp_path, added=FILTER.replace("probe: {source.ip|cidr: 10.0.0.0/8}", selections).replace("not probe", condition))
    assert loaded.errors == ()
    assert [matches(loaded, address) for address in ("10.2.3.4", "10.2.3.5", "10.2.3.6")] == [False, False, True]


def test_a_filter_may_use_a_list(tmp_path: Path) -> None:
    (tmp_path / "placeholders").mkdir()
    (tmp_path / "placeholders" / "ours.yml").write_text("Probes: [10.2.3.4]", encoding="utf-8")
    loaded = load(tmp_path, added=FILTER.replace("{source.ip|cidr: 10.0.0.0/8}", "{source.ip|expand: '%Probes%'}"))
    assert loaded.errors == ()
    assert not matches(loaded, "10.2.3.4")


def test_a_filter_that_names_a_correlation_says_what_to_name_instead(tmp_path: Path) -> None:
    many = "title: Many\nid: 00000000-0000-4000-8000-0000000000aa\nname: many\n"
    many += "correlation: {type: event_count, rules: [failed], timespan: 5m, condition: {gte: 3}}"
    loaded = load(tmp_path, rule=f"{RULE}---\n{many}", added=FILTER.replace("[failed]", "[failed, many]"))
    (error,) = loaded.errors
    assert (error.path, error.line) == ("a_filter.yml", 5)
    assert "«many» is no rule on single events" in error.problem


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "problem"),
    [
        ("[failed]", "[unknown]", 5, "filter.rules", "no rule has the name or id «unknown»"),
        ("[failed]", "[]", 5, "filter.rules", "names or ids"),
        ("cidr", "sidr", 6, "filter.probe.source.ip|sidr", "unknown modifier"),
        ("not probe", "not prob", 7, "filter.condition", "is not a selection"),
        ("source.ip", "source.pi", 6, "filter.probe.source.pi|cidr", "no field"),
        ("logsource: {product: veilleur}\n", "", 1, "logsource", "a map"),
        ("product: veilleur", "product: nginx", 5, "filter.rules", "of another log source"),
    ],
)
def test_a_faulty_filter_is_named_and_hides_nothing(old: str, new: str, line: int, field: str, problem: str, tmp_path: Path) -> None:
    loaded = load(tmp_path, added=FILTER.replace(old, new))
    (error,) = loaded.errors
    assert (error.path, error.line, error.field) == ("a_filter.yml", line, field)
    assert problem in error.problem
    assert matches(loaded, "10.2.3.4")


SAID = FILTER + "veilleur: {owner: Claire Martin-Essai, reason: The monitoring probe, expires: 2026-12-31}\n"
LAST_DAY = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)


def events(*logins: tuple[str, datetime]) -> list[Event]:
    return [Event(f"e{number}", at, "idp", "default", dict(failed_login(address))) for number, (address, at) in enumerate(logins)]


def test_a_filter_says_who_answers_for_it_and_until_when(tmp_path: Path) -> None:
    loaded = load(tmp_path, added=SAID)
    assert loaded.errors == ()
    (one,) = loaded.filters
    assert (one.title, one.owner, one.reason, one.last_day) == (
        "Not the probe",
        "Claire Martin-Essai",
        "The monitoring probe",
        date(2026, 12, 31),
    )
    assert (one.path, one.key, one.own) == ("a_filter.yml", "00000000-0000-4000-8000-0000000000f1", False)
    assert loaded.filters_of("00000000-0000-4000-8000-000000000001") == (one,)


def test_past_its_last_day_a_filter_hides_nothing(tmp_path: Path) -> None:
    engine = Engine(load(tmp_path, added=SAID), lateness=timedelta(0))
    found = engine.evaluate(events(("10.2.3.4", LAST_DAY), ("10.2.3.4", LAST_DAY + timedelta(seconds=1))))
    assert [detection.event_ids for detection in found] == [("e1",)]
    ((where, hits),) = engine.take_hidden().items()
    assert where == ("00000000-0000-4000-8000-0000000000f1", "00000000-0000-4000-8000-000000000001", "default")
    assert (hits.count, hits.last_at) == (1, LAST_DAY)
    assert engine.take_hidden() == {}


@pytest.fixture(scope="module")
def hiding(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return load(tmp_path_factory.mktemp("rules"), added=SAID)


@given(from_probe=st.lists(st.booleans(), max_size=40), verify_every=st.integers(0, 3))
def test_each_match_of_the_rule_is_either_found_or_counted_as_hidden(hiding: Ruleset, from_probe: list[bool], verify_every: int) -> None:
    engine = Engine(hiding, verify_every=verify_every)
    noise = [Event(f"n{number}", LAST_DAY, "idp", "default", {**failed_login("10.0.0.1"), "event.action": "x"}) for number in range(3)]
    found = engine.evaluate([*noise, *events(*(("10.2.3.4" if probe else "192.0.2.1", LAST_DAY) for probe in from_probe))])
    hidden = sum(hits.count for (_, _, tenant), hits in engine.take_hidden().items() if tenant == "default")
    assert (len(found), hidden) == (from_probe.count(False), from_probe.count(True))
    assert engine.disagreement_counts == {}


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "problem"),
    [
        ("expires: 2026-12-31", "expires: soon", 8, "veilleur.expires", "a day such as 2027-01-31"),
        ("expires: 2026-12-31", "until: 2026-12-31", 8, "veilleur.until", "unknown key"),
        ("owner: Claire Martin-Essai", "owner: [Claire]", 8, "veilleur.owner", "a text is expected"),
        ("{owner: Claire Martin-Essai, reason: The monitoring probe, expires: 2026-12-31}", "[]", 8, "veilleur", "a map"),
        ("expires: 2026-12-31", "expires: 9999-12-31", 8, "veilleur.expires", "a day such as"),
    ],
)
def test_a_filter_that_says_it_wrongly_is_named_and_hides_nothing(
    old: str, new: str, line: int, field: str, problem: str, tmp_path: Path
) -> None:
    loaded = load(tmp_path, added=SAID.replace(old, new))
    (error,) = loaded.errors
    assert (error.line, error.field) == (line, field)
    assert problem in error.problem
    assert matches(loaded, "10.2.3.4")
