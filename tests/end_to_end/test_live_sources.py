"""Events of Windows into one running watch by every way in: they are found as a replay and a hunt find them, whatever hurtful came between.

Six sources, each with a tenant of its own: flat event logs and ECS documents, over HTTP as lines, over ``_bulk``, and from a file that
grows. Each is sent the same story with records between that are broken, deep, huge or strange; the watch names those, and goes on.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from sqlalchemy import select

from deploy.demo.stage import Server
from siem.detection import Detection
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.pipelines import product_pipelines
from siem.enrichment.pseudonyms import Pseudonyms, load_key
from siem.history.hunt import Stretch, hunt, plan
from siem.incidents.store import alert_events, alerts
from siem.replay import replay
from siem.sources import SOURCES
from siem.sources.source import SourceSettings
from siem.store.database import Database
from siem.store.events import EventStore, Scope
from siem.store.progress import SourceCounts, read_counts
from tests.end_to_end.conftest import free_port
from tests.siem.history.test_hunt import folded

KEY = "a-key-of-one-source-of-this-test"
KINDS = ("windows", "ecs")
WAYS = ("lines", "bulk", "file")
NAMES = [f"{kind}-{way}" for kind in KINDS for way in WAYS]
RULES = """\
title: Somebody asks who they are
id: 00000000-0000-4000-8000-0000000000c1
license: Apache-2.0
author: Veilleur
level: low
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\\whoami.exe', CommandLine|contains: '/all'}
  condition: selection
---
title: Failed logon
id: 00000000-0000-4000-8000-0000000000c2
name: failed_logon
logsource: {product: windows, service: security}
detection:
  selection: {EventID: 4625}
  condition: selection
---
title: Many failed logons of one account
id: 00000000-0000-4000-8000-0000000000c3
license: Apache-2.0
author: Veilleur
level: high
correlation: {type: event_count, rules: [failed_logon], group-by: [TargetUserName], timespan: 10m, condition: {gte: 4}}
"""
#: A rule, a group, and the instants of the events: what an alert says, whatever the source is called.
Found = set[tuple[str, tuple[tuple[str, str], ...], frozenset[str]]]


def story(begin: datetime) -> list[dict[str, object]]:
    """Flat events: two people ask who they are, one account fails five times, another three times."""
    sysmon, security = "Microsoft-Windows-Sysmon/Operational", "Security"
    made: list[dict[str, object]] = []
    for number in range(40):
        at = (begin + timedelta(seconds=15 * number)).isoformat(timespec="milliseconds")
        program = "whoami.exe" if number in (7, 23) else "notepad.exe"
        event: dict[str, object] = {"SystemTime": at, "Computer": "PC-1"}
        if number % 8 == 3 or number % 16 == 5:
            who = "anne.blanc" if number % 8 == 3 else "luc.noir"
            made.append(event | {"Channel": security, "EventID": 4625, "TargetUserName": who, "IpAddress": "192.0.2.7"})
        else:
            line = f"C:\\Windows\\{program} /all"
            said = {"Image": f"C:\\Windows\\{program}", "CommandLine": line, "User": "HOPITAL\\anne.blanc"}
            made.append(event | {"Channel": sysmon, "EventID": 1, **said})
    return made


def as_ecs(event: dict[str, object]) -> dict[str, object]:
    """The same as Winlogbeat writes it."""
    data = {name: value for name, value in event.items() if name not in ("SystemTime", "Computer", "Channel", "EventID")}
    process = {"executable": data.pop("Image"), "command_line": data.pop("CommandLine")} if "Image" in data else {}
    winlog = {"channel": event["Channel"], "computer_name": event["Computer"], "event_data": data}
    document: dict[str, object] = {"@timestamp": event["SystemTime"], "event": {"code": str(event["EventID"])}, "winlog": winlog}
    return document | ({"process": process} if process else {})


def lines_of(kind: str, begin: datetime) -> list[bytes]:
    return [json.dumps(event if kind == "windows" else as_ecs(event)).encode() for event in story(begin)]


def hurtful(begin: datetime) -> dict[str, bytes]:
    """Records that harm a careless reader. None of them is an event that a rule finds."""
    at = begin.isoformat()
    head = f'{{"SystemTime": "{at}", "@timestamp": "{at}", "Channel": "Other", "EventID": 1, '
    return {
        "ten megabytes": (head + '"x": "' + "x" * 10_000_000 + '"}').encode(),
        "a thousand levels": (head + '"x": ' + '{"a": ' * 1000 + "1" + "}" * 1000 + "}").encode(),
        "a hundred thousand fields": (head + ", ".join(f'"f{number}": 1' for number in range(100_000)) + "}").encode(),
        "not a number": (head + '"x": NaN, "y": Infinity}').encode(),
        "a key twice": (head + '"x": 1, "x": 2, "Channel": "Security"}').encode(),
        "not UTF-8": head.encode() + b'"x": "\xff\xfe\x80"}',
        "a zero and half a surrogate": (head + '"x": "\\u0000 \\ud800"}').encode(),
        "half": b'{"Channel": "Security", "EventID": 46',
        "no object": b"[1, 2, 3]",
    }


@dataclass
class Lived:
    """What one watch made of everything, after it was stopped."""

    folder: Path
    ruleset: Ruleset
    sent: dict[str, list[bytes]]
    events: EventStore
    database: Database
    counts: dict[str, SourceCounts]
    answers: dict[tuple[str, str], int]

    def alerts(self, tenant: str) -> Found:
        with self.database.reading() as connection:
            rows = connection.execute(
                select(alerts.c.id, alerts.c.rule_id, alerts.c.group_values, alert_events.c.event_id)
                .join(alert_events, alert_events.c.alert_id == alerts.c.id)
                .where(alerts.c.tenant == tenant, alerts.c.merged_into.is_(None))
            ).all()
        found: dict[tuple[str, str, str], set[str]] = {}
        for row in rows:
            found.setdefault((row.id, row.rule_id, row.group_values), set()).add(row.event_id)
        return {
            (rule_id, tuple((name, value) for name, value in json.loads(group)), _instants(ids))
            for (_, rule_id, group), ids in found.items()
        }


def _instants(event_ids: Sequence[str] | set[str] | frozenset[str]) -> frozenset[str]:
    """The first twelve digits of an event's id are its time, which no two events of the story share."""
    return frozenset(one[:12] for one in event_ids)


def at_rest(detections: Sequence[Detection], ruleset: Ruleset) -> Found:
    return {(rule_id, group, _instants(ids)) for rule_id, group, ids in folded(detections, ruleset)}


def _send(base: str, name: str, way: str, records: Sequence[bytes]) -> int:
    """Give records to a source; the status of the answer, or of the worst item of a bulk."""
    headers = {"Authorization": f"ApiKey {KEY}-{name}", "Content-Type": "application/x-ndjson"}
    if way == "lines":
        return httpx.post(f"{base}/ingest/v1/{name}", content=b"\n".join(records) + b"\n", headers=headers, timeout=120).status_code
    body = b"".join(b'{"create": {}}\n' + record + b"\n" for record in records)
    answer = httpx.post(f"{base}/{name}/_bulk", content=body, headers=headers, timeout=120)
    return max([answer.status_code, *(item["create"]["status"] for item in answer.json().get("items", ()))])


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder, port = tmp_path_factory.mktemp("live"), free_port()
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    (folder / "rules").mkdir()
    (folder / "rules" / "rules.yml").write_text(RULES, "utf-8")
    entries: list[dict[str, object]] = []
    for name in NAMES:
        kind, way = name.split("-")
        where: dict[str, object] = {"file": f"{name}.log"} if way == "file" else {"http": True}
        entries.append({"name": name, "type": kind, "service": "Postes", "tenant": name, **where})
    (folder / "sources.yaml").write_text(yaml.safe_dump(entries), "utf-8")
    keys = {name: hashlib.sha256(f"{KEY}-{name}".encode()).hexdigest() for name in NAMES if not name.endswith("file")}
    (folder / "keys.json").write_text(json.dumps(keys), "utf-8")
    environment = {
        "SIEM_ENVIRONMENT": "development",
        "SIEM_STATE": str(folder / "state"),
        "SIEM_PORT": str(port),
        "SIEM_BASE_URL": f"http://127.0.0.1:{port}",
        "SIEM_SOURCES_FILE": str(folder / "sources.yaml"),
        "SIEM_API_KEYS_FILE": str(folder / "keys.json"),
        "SIEM_RULES": str(folder / "rules"),
        "SIEM_STORE_SYNCHRONOUS": "normal",
    }
    base = f"http://127.0.0.1:{port}"
    sent = {name: lines_of(name.split("-")[0], begin) for name in NAMES}
    answers: dict[tuple[str, str], int] = {}
    server = Server("watch", ["siem.cli", "serve"], environment, folder, f"{base}/health")
    server.start()
    try:
        server.wait_ready(120)
        received = dict.fromkeys(NAMES, 0)
        for name in NAMES:
            way, half = name.split("-")[1], len(sent[name]) // 2
            if way == "file":
                parts = (b"\n".join(some) for some in (sent[name][:half], hurtful(begin).values(), sent[name][half:]))
                (folder / f"{name}.log").write_bytes(b"\n".join(parts) + b"\n")
                continue
            assert _send(base, name, way, sent[name][:half]) in (200, 201)
            for what, record in hurtful(begin).items():
                answers[name, what] = _send(base, name, way, [record])
                received[name] += answers[name, what] in (200, 201)
            assert _send(base, name, way, sent[name][half:]) in (200, 201)
            received[name] += len(sent[name])
        counts = _settled(folder / "state" / "watch.sqlite", received, {name: len(sent[name]) for name in NAMES})
        assert httpx.get(f"{base}/health", timeout=60).json() == {"status": "ok"}
    finally:
        server.stop()
    database = Database(f"sqlite:///{folder / 'state' / 'watch.sqlite'}", synchronous="normal")
    events = EventStore(folder / "state" / "events.duckdb", read_only=True)
    yield Lived(folder, _ruleset(folder), sent, events, database, counts, answers)
    events.close()
    database.close()


def _settled(file: Path, received: dict[str, int], fewest: dict[str, int]) -> dict[str, SourceCounts]:
    """What the watch counted of each source, once every record has been judged: those that were taken, and all that the files hold."""
    database, before = Database(f"sqlite:///{file}", synchronous="normal"), dict[str, SourceCounts]()
    give_up_at = time.monotonic() + 240
    try:
        while time.monotonic() < give_up_at:
            with database.reading() as connection:
                counts = {one.source: one for one in read_counts(connection)}
            done = [
                one.received == received[name] if not name.endswith("file") else one.stored >= fewest[name] and one == before.get(name)
                for name, one in counts.items()
            ]
            if all(done) and counts.keys() == received.keys() and all(map(_accounted, counts.values())):
                return counts
            before = counts
            time.sleep(1)
    finally:
        database.close()
    raise AssertionError(f"not everything was judged: {before}, sent {received}")


def _accounted(one: SourceCounts) -> bool:
    return one.received == one.stored + one.duplicates + sum(one.dropped.values())


def _ruleset(folder: Path) -> Ruleset:
    loaded = load_rules(folder / "rules", sources=product_pipelines().fed_by(set(KINDS)))
    assert loaded.errors == ()
    return loaded


@pytest.mark.parametrize("name", NAMES)
def test_what_was_found_live_is_what_a_replay_finds(lived: Lived, name: str, tmp_path: Path) -> None:
    (log := tmp_path / "story.log").write_bytes(b"\n".join(lived.sent[name]) + b"\n")
    kind = name.split("-")[0]
    source = SOURCES[kind](SourceSettings(str(log), kind, "Postes", tenant=name))
    pseudonyms = Pseudonyms(load_key(lived.folder / "state" / "keys" / "pseudonyms.key"))
    done = replay([log], source, Engine(lived.ruleset), (), pseudonyms, datetime.now(UTC))
    assert done.errors == []
    live = lived.alerts(name)
    assert at_rest(done.detections, lived.ruleset) == live
    assert sorted(len(instants) for _, _, instants in live) == [2, 5], "who asked twice, and five failures of one account"


@pytest.mark.parametrize("name", NAMES)
def test_what_was_found_live_is_what_a_hunt_finds(lived: Lived, name: str) -> None:
    steps = (step for rule_id in lived.ruleset.alerting for step in hunt(lived.events, plan(lived.ruleset, rule_id), Stretch(Scope(name))))
    found = [one for step in steps for one in step.detections]
    assert at_rest(found, lived.ruleset) == lived.alerts(name)


@pytest.mark.parametrize("way", WAYS)
def test_flat_logs_and_ecs_documents_give_the_same_alerts(lived: Lived, way: str) -> None:
    def told(kind: str) -> set[tuple[str, frozenset[str]]]:
        return {(rule_id, instants) for rule_id, _, instants in lived.alerts(f"{kind}-{way}")}

    assert told("windows") == told("ecs") != set()


def test_hurtful_records_are_taken_or_refused_with_a_reason_and_all_are_accounted_for(lived: Lived) -> None:
    assert set(lived.answers.values()) <= {200, 201, 400, 413}
    for name, counts in lived.counts.items():
        assert _accounted(counts)
        assert counts.stored >= len(lived.sent[name]) and sum(counts.dropped.values()) > 0, f"{name} names what it cannot read"
        assert all(reason for reason in counts.dropped)
    # Ten megabytes are too many for one record, whichever way they come.
    assert all(status in (400, 413) for (_, what), status in lived.answers.items() if what == "ten megabytes")
