import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.cli.rules import _readers
from siem.detection.prove import check
from siem.detection.prove import test as prove

RULE = """\
title: Abroad
id: 8a2f3a2e-7d0e-4b57-9a53-0f0f6a1c2b3d
description: A login from abroad.
author: Veilleur
license: Apache-2.0
tags: [attack.t1078]
logsource: {product: veilleur, service: idp}
detection:
  selection: {event.action: login.succeeded}
  condition: selection
falsepositives: [Travel]
veilleur: {titre: De loin, explication: Une connexion de loin., faux-positifs: [Voyage], resume: "{user.id} est loin.", subject: user.id}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules" / "a").mkdir(parents=True)
    (tmp_path / "rules" / "a" / "idp_abroad.yml").write_text(RULE, encoding="utf-8")
    return tmp_path


def prove_with(folder: Path, kind: str, *lines: object) -> None:
    file = folder / "proofs" / "a" / "idp_abroad" / f"{kind}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")


def event(action: str) -> dict[str, str]:
    return {"event.dataset": "idp.audit", "event.action": action}


def test_a_complete_rule_has_nothing_wrong(folder: Path) -> None:
    prove_with(folder, "match", event("login.succeeded"))
    prove_with(folder, "ignore", event("login.failed"))
    assert check(folder / "rules", proofs=folder / "proofs") == []
    proven = prove(folder / "rules", proofs=folder / "proofs")
    assert proven.problems == []
    assert [(result.kind, result.passed, result.line_count, result.held_count, result.case_count) for result in proven.results] == [
        ("match", True, 1, 1, 1),
        ("ignore", True, 1, 1, 1),
    ]


def test_a_proof_that_does_not_hold_is_named_by_its_line(folder: Path) -> None:
    prove_with(folder, "match", event("login.succeeded"), event("login.failed"))
    prove_with(folder, "ignore", event("login.failed"), event("login.succeeded"))
    proven = prove(folder / "rules", proofs=folder / "proofs")
    problems = proven.problems
    assert [(result.held_count, result.case_count) for result in proven.results] == [(1, 2), (1, 2)]
    assert [(Path(problem.path).name, problem.line, problem.problem) for problem in problems] == [
        ("match.jsonl", 2, "the rule does not match"),
        ("ignore.jsonl", 2, "the rule matches"),
    ]


WINDOWS = RULE.replace("{product: veilleur, service: idp}", "{product: windows, category: process_creation}").replace(
    "event.action: login.succeeded", "Image|endswith: '\\\\whoami.exe'"
)


def test_a_rule_of_another_source_is_proven_by_records_as_they_are_received(folder: Path) -> None:
    (folder / "rules" / "a" / "idp_abroad.yml").write_text(
        WINDOWS.replace("subject: user.id", "subject: Computer").replace("{user.id}", "{Image}"), encoding="utf-8"
    )
    started = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "UtcTime": "2026-11-22 20:00:00", "Computer": "pc"}
    prove_with(folder, "match.windows", {**started, "Image": r"C:\Windows\System32\whoami.exe"})
    prove_with(
        folder, "ignore.windows", {**started, "Image": r"C:\whoami.exe.txt"}, {**started, "Image": ""}, {**started, "Image": None}, started
    )
    assert check(folder / "rules", proofs=folder / "proofs") == []
    proven = prove(folder / "rules", proofs=folder / "proofs", readers=_readers())
    assert proven.problems == []
    assert [(result.kind, result.held_count) for result in proven.results] == [("match", 1), ("ignore", 4)]


def test_proofs_of_events_and_of_records_of_several_sources_are_all_run(folder: Path) -> None:
    prove_with(folder, "match", event("login.succeeded"))
    prove_with(folder, "match.idp", "{")
    prove_with(folder, "match.windows", {"EventID": 1})
    prove_with(folder, "ignore", event("login.failed"))
    results = prove(folder / "rules", proofs=folder / "proofs", readers=_readers()).results
    assert [(result.kind, result.passed) for result in results] == [("match", True), ("match", False), ("match", False), ("ignore", True)]


def test_a_record_that_its_source_cannot_read_is_named_and_so_is_a_source_that_is_none(folder: Path) -> None:
    prove_with(folder, "match.windows", {"EventID": 1})
    prove_with(folder, "ignore.linux", {"EventID": 1})
    problems = prove(folder / "rules", proofs=folder / "proofs", readers=_readers()).problems
    assert [(Path(one.path).name, one.line, one.field) for one in problems] == [
        ("match.windows.jsonl", 1, "Channel"),
        ("ignore.linux.jsonl", 0, ""),
    ]
    assert "«linux» is not the type of a source" in problems[1].problem


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ("{", "", "not JSON"),
        ("[]", "", "an object"),
        ({"event.akshun": "x"}, "event.akshun", "not a field"),
        ({"source.port": "80"}, "source.port", "integer is expected"),
        ({"user.roles": "10C"}, "user.roles", "keywords is expected"),
        ({"user.id": ""}, "user.id", "keyword is expected"),
        ({"@timestamp": "today"}, "@timestamp", "ISO 8601"),
        ({"@timestamp": "2026-11-22T20:00:00"}, "@timestamp", "no zone"),
    ],
)
def test_a_faulty_event_of_a_proof_is_named(line: object, field: str, problem: str, folder: Path) -> None:
    prove_with(folder, "match", event("login.succeeded"), line)
    (result, _) = prove(folder / "rules", proofs=folder / "proofs").results
    (found,) = result.problems
    assert (found.line, found.field) == (2, field)
    assert problem in found.problem


def test_an_empty_proof_proves_nothing(folder: Path) -> None:
    prove_with(folder, "match", event("login.succeeded"))
    prove_with(folder, "ignore")
    (problem,) = prove(folder / "rules", proofs=folder / "proofs").problems
    assert problem.problem == "the proof is empty"


def test_a_rule_without_a_proof_and_one_that_does_not_load_are_not_proved(folder: Path) -> None:
    (folder / "rules" / "a" / "idp_broken.yml").write_text(RULE.replace("selection\n", "selecton\n"), encoding="utf-8")
    proven = prove(folder / "rules", proofs=folder / "proofs")
    assert [error.path for error in proven.errors] == ["a/idp_broken.yml"]
    assert [(result.kind, result.passed, result.case_count) for result in proven.results] == [("match", False, 0), ("ignore", False, 0)]
    assert all("is missing" in problem.problem for result in proven.results for problem in result.problems)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("8a2f3a2e-7d0e-4b57-9a53-0f0f6a1c2b3d", "number-one", "Its own UUID"),
        ("author: Veilleur\n", "", "author: missing"),
        ("license: Apache-2.0\n", "", "license: missing"),
        ("falsepositives: [Travel]\n", "", "falsepositives: missing"),
        ("tags: [attack.t1078]\n", "", "tags (attack.t1078): missing"),
        ("titre: De loin, ", "", "veilleur.titre: missing"),
        ("explication: Une connexion de loin., ", "", "veilleur.explication: missing"),
        ("faux-positifs: [Voyage], ", "", "veilleur.faux-positifs: missing"),
        ("{user.id} est", "{user.nam} est", "«user.nam» is not a field"),
        ("id: 8a2f3a2e-7d0e-4b57-9a53-0f0f6a1c2b3d\n", "", "idp_abroad.yml:1: id: missing: a UUID"),
        ("author: Veilleur\n", "author: Veilleur\ndate: yesterday\n", "idp_abroad.yml:5: date: not in the form of the schema"),
        ("author: Veilleur\n", "author: Veilleur\nmodifed: 2026-11-22\n", "idp_abroad.yml:5: modifed: unknown key"),
        ("condition: selection", "condition: not selection", "detection: costly: no comparison must hold"),
        ("{event.action: login.succeeded}", "{event.action|re: 'login(?=.succeeded)'}", "detection: costly: the regular expression"),
        ("{event.action: login.succeeded}", "{event.akshun: x}", "no field «event.akshun»"),
    ],
)
def test_a_rule_of_ours_says_all_it_must(old: str, new: str, problem: str, folder: Path) -> None:
    (folder / "rules" / "a" / "idp_abroad.yml").write_text(RULE.replace(old, new), encoding="utf-8")
    (found,) = check(folder / "rules")
    assert problem in str(found)


def test_missing_proofs_and_crowded_files_are_errors(folder: Path) -> None:
    second = RULE.replace("8a2f3a2e", "9b2f3a2e").replace("title: Abroad", "title: Far")
    (folder / "rules" / "a" / "idp_abroad.yml").write_text(f"{RULE}---\n{second}", encoding="utf-8")
    problems = [problem.problem for problem in check(folder / "rules", proofs=folder / "proofs")]
    assert len([problem for problem in problems if "is missing" in problem]) == 2
    assert len([problem for problem in problems if "one rule that raises alerts" in problem]) == 1


FILTER = """\
title: Not the probe
logsource: {product: veilleur}
filter:
  rules: any
  probe: {source.ip: 192.0.2.7}
  condition: not probe
"""


def test_a_filter_of_the_operator_says_who_why_and_until_when_and_one_that_has_expired_is_told(folder: Path) -> None:
    own = folder / "local-rules"
    own.mkdir()
    (own / "a_bare.yml").write_text(FILTER, encoding="utf-8")
    said = FILTER + "veilleur: {owner: Claire, reason: The probe, expires: 2026-11-22}\n"
    (own / "b_old.yml").write_text(said, encoding="utf-8")
    (own / "c_good.yml").write_text(said.replace("2026", "2027"), encoding="utf-8")
    found = check(folder / "rules", own, at=datetime(2026, 11, 23, tzinfo=UTC))
    assert [(problem.path, problem.field) for problem in found] == [
        ("local-rules/a_bare.yml", "veilleur.expires"),
        ("local-rules/a_bare.yml", "veilleur.owner"),
        ("local-rules/a_bare.yml", "veilleur.reason"),
        ("local-rules/b_old.yml", "veilleur.expires"),
    ]
    assert "expired after 2026-11-22" in found[-1].problem
    assert check(folder / "rules", own, at=datetime(2026, 11, 22, 23, 59, tzinfo=UTC))[-1].path == "local-rules/a_bare.yml"


def test_an_instant_of_a_proof_is_read_in_utc_as_sources_read_theirs(folder: Path) -> None:
    (folder / "rules" / "a" / "idp_abroad.yml").write_text(
        RULE.replace("event.action: login.succeeded", "'@timestamp|hour|gte': 21"), encoding="utf-8"
    )
    prove_with(folder, "match", {**event("x"), "@timestamp": "2026-11-22T22:30:00+01:00"})
    prove_with(folder, "ignore", {**event("x"), "@timestamp": "2026-11-22T22:30:00+02:00"})
    assert prove(folder / "rules", proofs=folder / "proofs").problems == []
    prove_with(folder, "ignore", {**event("x"), "@timestamp": "0001-01-01T00:30:00+02:00"})
    (problem,) = prove(folder / "rules", proofs=folder / "proofs").problems[:1]
    assert (problem.field, problem.problem) == ("@timestamp", "the instant is beyond the calendar in UTC")
