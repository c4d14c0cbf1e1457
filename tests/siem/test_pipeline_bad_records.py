"""Records made to hurt, through every kind of source: each is set aside and named or kept, in bounded time and memory, and the good one
beside it is read.
"""

import hashlib
import json
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from siem import batch
from siem.detection.engine import Engine
from siem.detection.load import load_rules
from siem.enrichment.pseudonyms import Pseudonyms
from siem.event import RawRecord
from siem.inputs.http import HttpInput, HttpSource
from siem.replay import replay
from siem.settings import ROOT
from siem.sources import SOURCES
from siem.sources.record import address, instant
from siem.sources.source import SourceSettings
from siem.store.progress import DropReason
from siem.store.queue import Queue, QueuedRecord

AT = datetime(2026, 11, 22, 20, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "sources"
#: A line that each source reads.
GOOD: Mapping[str, bytes] = {
    "idp": (GOLDEN / "idp" / "intact.log").read_bytes().splitlines()[0],
    "nginx": (GOLDEN / "nginx" / "combined.log").read_bytes().splitlines()[0],
    "fhir_audit_event": (GOLDEN / "fhir_audit_event" / "r4.log").read_bytes().splitlines()[0],
    "windows": (GOLDEN / "windows" / "flat.log").read_bytes().splitlines()[0],
    "ecs": (GOLDEN / "ecs" / "winlogbeat.log").read_bytes().splitlines()[0],
}
MEGABYTES = 10_000_000


def _in_json(source: str, text: str) -> bytes:
    """A good line of the source, as JSON, with one more member written as ``text``."""
    if source == "nginx":
        return b'{"message": ' + json.dumps(GOOD[source].decode()).encode() + b", " + text.encode("utf-8", "surrogatepass") + b"}"
    return GOOD[source][:-1] + b", " + text.encode("utf-8", "surrogatepass") + b"}"


BAD: Mapping[str, Callable[[str], bytes]] = {
    "ten megabytes in one member": lambda source: _in_json(source, f'"message": "{"x" * MEGABYTES}"'),
    "ten megabytes of nothing": lambda source: b" " * MEGABYTES,
    "ten megabytes of one letter": lambda source: b"x" * MEGABYTES,
    "a thousand levels": lambda source: _in_json(source, '"a": ' + "[" * 1000 + "]" * 1000),
    "a hundred thousand levels": lambda source: _in_json(source, '"a": ' + '{"a":' * 100_000 + "1" + "}" * 100_000),
    "a hundred thousand members": lambda source: _in_json(source, ", ".join(f'"f{number}": {number}' for number in range(100_000))),
    "bytes that are no UTF-8": lambda source: GOOD[source][:20] + b"\xff\xfe\xc3\x28" + GOOD[source][20:],
    "NaN": lambda source: _in_json(source, '"a": NaN'),
    "Infinity": lambda source: _in_json(source, '"a": -Infinity'),
    "a number without end": lambda source: _in_json(source, '"a": ' + "9" * 100_000),
    "a key twice": lambda source: _in_json(source, '"message": "other", "message": "third"'),
    "half a surrogate": lambda source: _in_json(source, '"a": "\\ud800"'),
    "zeros": lambda source: b"\0" * 1000,
    "an array": lambda source: b"[" + GOOD[source] + b"]" if source != "nginx" else b"[1]",
    "nothing": lambda source: b"",
    "half a line": lambda source: GOOD[source][: len(GOOD[source]) // 2],
}


@pytest.mark.parametrize("source", GOOD)
@pytest.mark.parametrize("kind", BAD)
def test_a_record_made_to_hurt_spares_the_others(kind: str, source: str) -> None:
    parser = SOURCES[source](SourceSettings("log", source, "a service"))
    rows = [GOOD[source], BAD[kind](source)]
    records = [QueuedRecord(number, RawRecord("log", str(number), AT, data)) for number, data in enumerate(rows)]
    tracemalloc.start()
    begun = process_time()
    found = batch.read(records, {"log": parser}, (), Pseudonyms(b"k" * 32), AT, None)
    seconds, (_, peak) = process_time() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {item.sequence for item in found.events} >= {0}
    # What was set aside says why, and none of it because our parser tripped.
    assert [letter.reason for letter in found.letters] in ([], [DropReason.UNREADABLE])
    assert all(letter.problem and len(letter.problem) < 1000 for letter in found.letters)
    assert {letter.sequence for letter in found.letters} | {item.sequence for item in found.events} >= {0, 1}
    assert seconds < 20
    assert peak < 60 * MEGABYTES


def test_long_texts_fill_no_memory_of_the_readers() -> None:
    record = RawRecord("log", "0", AT, b"")
    tracemalloc.start()
    for number in range(200):
        text = f"{number}" + "1" * 1_000_000
        assert address(text) is None
        with pytest.raises(Exception, match="an instant"):
            instant(record, "@timestamp", text)
    (kept, _) = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < MEGABYTES


@pytest.mark.parametrize("source", GOOD)
def test_a_replay_of_a_file_made_to_hurt_reads_every_good_line(source: str, tmp_path: Path) -> None:
    """Each hurtful line between two good ones; what cannot be read is named by file and line, as it would be live."""
    rows = [GOOD[source]]
    for make in BAD.values():
        rows += [make(source).replace(b"\n", b" "), GOOD[source]]
    log = tmp_path / "hurt.log"
    log.write_bytes(b"\n".join(rows) + b"\n")
    parser = SOURCES[source](SourceSettings("log", source, "a service"))
    begun = process_time()
    done = replay([log], parser, Engine(load_rules(ROOT / "rules")), (), Pseudonyms(b"k" * 32), AT)
    assert process_time() - begun < 60
    good = {number for number, row in enumerate(rows, 1) if row == GOOD[source]}
    assert {error.line for error in done.errors}.isdisjoint(good) and {error.path for error in done.errors} <= {str(log)}
    assert done.event_count >= len(good) and done.line_count == sum(1 for row in rows if row.strip())
    assert all(error.problem and "our parser failed" not in error.problem and len(error.problem) < 1000 for error in done.errors)


@pytest.mark.parametrize("source", GOOD)
def test_what_comes_by_http_made_to_hurt_is_refused_or_set_aside_and_spares_the_good(source: str, tmp_path: Path) -> None:
    """Through the real door into the real queue, and from there as the pipeline reads: what was acknowledged is all there."""
    queue = Queue(tmp_path / "queue.sqlite", synchronous="normal")
    known = HttpSource("log", hashlib.sha256(b"key").hexdigest())
    acknowledged = 0
    with TestClient(Starlette(routes=HttpInput(queue, {"log": known}, lambda: AT).routes())) as client:
        for make in BAD.values():
            body = GOOD[source] + b"\n" + make(source).replace(b"\n", b" ") + b"\n" + GOOD[source] + b"\n"
            answer = client.post("/ingest/v1/log", content=body, headers={"Authorization": "ApiKey key"})
            assert answer.status_code in (200, 400, 413), answer.text
            acknowledged += answer.json()["received"] if answer.status_code == 200 else 0
    records = queue.read(0, 10_000)
    queue.close()
    assert len(records) == acknowledged > 2 * 10
    parser = SOURCES[source](SourceSettings("log", source, "a service"))
    found = batch.read(records, {"log": parser}, (), Pseudonyms(b"k" * 32), AT, None)
    good = {one.sequence for one in records if one.record.data == GOOD[source]}
    assert good <= {item.sequence for item in found.events}
    assert {letter.reason for letter in found.letters} <= {DropReason.UNREADABLE} and good.isdisjoint(one.sequence for one in found.letters)
