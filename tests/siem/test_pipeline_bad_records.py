"""Records made to hurt, through every kind of source: each is set aside and named or kept, in bounded time and memory, and the good one
beside it is read.
"""

import json
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import pytest

from siem import batch
from siem.enrichment.pseudonyms import Pseudonyms
from siem.event import RawRecord
from siem.sources import SOURCES
from siem.sources.record import address, instant
from siem.sources.source import SourceSettings
from siem.store.progress import DropReason
from siem.store.queue import QueuedRecord

AT = datetime(2026, 11, 22, 20, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "sources"
#: A line that each source reads.
GOOD: Mapping[str, bytes] = {
    "idp": (GOLDEN / "idp" / "intact.log").read_bytes().splitlines()[0],
    "nginx": (GOLDEN / "nginx" / "combined.log").read_bytes().splitlines()[0],
    "fhir_audit_event": (GOLDEN / "fhir_audit_event" / "r4.log").read_bytes().splitlines()[0],
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
