"""The audit log of the identity provider: one JSON object a line, chained by hashes (``vocabulary.audit``).

Every line carries a sequence and a hash over the line before it. The parser follows the chain of its source: a line
that was removed, changed, inserted or put elsewhere yields an ``audit_log.broken`` event that says what was seen. A changed line
is not believed: only that event comes of it, and its bytes stay reachable through it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from siem.errors import DataError
from siem.event import FIELDS, Event, Fields, Kind, RawRecord
from siem.sources.record import event_id, instant, json_of
from siem.sources.source import SourceSettings
from vocabulary.audit import AUDIT_FIELDS, FIRST_HASH, AuditAction, Outcome, chain_hash

_DATASET: Final = "idp.audit"
_HASH_LENGTH: Final = 64
#: What stands at the end of every line: the hash, as the last key.
_HASH_KEY: Final = ',"event.hash":"'
_TAIL_LENGTH: Final = len(_HASH_KEY) + _HASH_LENGTH + len('"}')
#: How many hashes are remembered, so that a shipper's retry is told from a forged line.
_REMEMBERED: Final = 256
_MAX_INTEGER: Final = 2**63
#: How many shapes of lines are remembered as sound.
_MAX_SHAPES: Final = 1000

_ENVELOPE: Final[Mapping[str, str]] = {
    "event.kind": "event, or alert for a broken chain",
    "event.dataset": "always idp.audit",
    "event.provider": "issuer that wrote the line",
    "event.sequence": "number of the line (integer)",
    "event.action": "member of AuditAction, or audit_log.broken",
    "event.category": "ECS categories of the action",
    "event.type": "ECS types of the action",
    "event.outcome": "success, failure or unknown",
    "event.hash": "hash of the line, to which the next one refers",
    "service.name": "name of the provider, from the configuration",
}
_NOT_KEPT: Final = frozenset({"@timestamp", "ecs.version"})
_REQUIRED: Final = ("@timestamp", "event.dataset", "event.sequence", "event.action", "event.outcome", "event.hash")
_PYTHON_TYPES: Final[Mapping[Kind, type]] = {Kind.INTEGER: int, Kind.KEYWORDS: list, Kind.KEYWORD: str, Kind.TEXT: str, Kind.IP: str}
_TYPES: Final[Mapping[str, type]] = {name: _PYTHON_TYPES[FIELDS[name]] for name in (*_ENVELOPE, *AUDIT_FIELDS) if name != "service.name"}
_INTEGERS: Final = frozenset(name for name, expected in _TYPES.items() if expected is int)
_ACTIONS: Final = frozenset(str(action) for action in AuditAction)
_OUTCOMES: Final = frozenset(str(outcome) for outcome in Outcome)


class Idp:
    """Turns audit lines into ``idp.audit`` events and follows their chain."""

    open: bool = False
    fields: Mapping[str, str] = {**_ENVELOPE, **AUDIT_FIELDS}

    def __init__(self, settings: SourceSettings) -> None:
        self._service = settings.service
        self._finess = settings.finess
        self._sequence: int | None = None
        self._hashes: dict[int, str] = {}
        self._shapes: dict[tuple[object, ...], tuple[str, ...]] = {}

    def parse(self, record: RawRecord) -> Sequence[Event]:
        """The event of the line, after one that tells of a break in the chain if there is one.

        Raises DataError, naming the field, for a line that is not an audit event.
        """
        line = record.data.decode("utf-8", "backslashreplace").strip()
        document = json_of(record, line)
        if "message" in document and "event.action" not in document:  # a shipper's envelope
            line = str(document["message"]).strip()
            document = json_of(record, line)
        at, fields = self._read(record, document)
        sequence = fields["event.sequence"]
        assert isinstance(sequence, int)
        trusted, breach = self._follow(sequence, str(fields["event.hash"]), line)
        events = []
        if trusted:
            events.append(Event(event_id(record, at), at, record.source, record.tenant, fields))
        if breach:
            events.append(self._alarm(record, at, fields, breach))
        return events

    def _read(self, record: RawRecord, document: dict[str, object]) -> tuple[datetime, Fields]:
        # Lines have few shapes (names and types of their fields): each is examined once, then only values are.
        shape = (*document, *map(type, document.values()))
        lists = self._shapes.get(shape)
        if lists is None:
            lists = _examined_shape(record, document)
            if len(self._shapes) < _MAX_SHAPES:
                self._shapes[shape] = lists
        _check_values(record, document, lists)
        at = instant(record, "@timestamp", document["@timestamp"])
        fields: Fields = {**document, "service.name": self._service}  # type: ignore[dict-item]  # their types were examined
        for name in _NOT_KEPT:
            fields.pop(name, None)
        if self._finess:
            fields.setdefault("health.structure.finess", self._finess)
        return at, fields

    def _follow(self, sequence: int, stated: str, line: str) -> tuple[bool, str | None]:
        """Whether the line may be believed, and what is wrong with the chain. Moves the end of the chain."""
        body = line[:-_TAIL_LENGTH] + "}"
        sound_form = line.endswith(f'{_HASH_KEY}{stated}"}}') and len(stated) == _HASH_LENGTH
        before = FIRST_HASH if sequence == 1 else self._hashes.get(sequence - 1)
        intact = sound_form and before is not None and chain_hash(before, body) == stated
        last = self._sequence
        if last is not None and sequence <= last and self._hashes.get(sequence) == stated and intact:
            return True, None  # the same line again: a shipper tried twice
        if last is not None and sequence <= last and not (sequence == 1 and intact):
            return False, f"line {sequence} came after line {last}: it was inserted, changed or put elsewhere"
        if sequence == 1 and last is not None:
            self._move(sequence, stated)
            return True, f"the log began anew at line 1 after line {last}: lines were removed, or the provider's state was"
        if before is None:
            self._move(sequence, stated)
            if last is None:
                return True, f"the log begins at line {sequence}: {sequence - 1} earlier lines were never seen"
            gap = f"line {last + 1} is" if sequence == last + 2 else f"lines {last + 1} to {sequence - 1} are"
            return True, f"{gap} missing"
        self._move(sequence, stated)
        return intact, None if intact else f"line {sequence} or the one before it was changed after it was written"

    def _move(self, sequence: int, stated: str) -> None:
        if self._sequence is not None and sequence != self._sequence + 1:
            self._hashes.clear()
        self._sequence = sequence
        self._hashes[sequence] = stated
        self._hashes.pop(sequence - _REMEMBERED, None)

    def _alarm(self, record: RawRecord, at: datetime, line: Fields, breach: str) -> Event:
        fields: Fields = {
            "event.kind": "alert",
            "event.dataset": _DATASET,
            "event.action": "audit_log.broken",
            "event.category": ["configuration", "intrusion_detection"],
            "event.type": ["change"],
            "event.outcome": "failure",
            "event.reason": breach,
            "event.sequence": line["event.sequence"],
            "service.name": self._service,
        }
        for name in ("event.provider", "health.structure.finess"):
            if name in line:
                fields[name] = line[name]
        return Event(event_id(record, at, 1), at, record.source, record.tenant, fields)

    def export_state(self) -> bytes | None:
        """Where the chain ends, as JSON."""
        if self._sequence is None:
            return None
        return json.dumps({"sequence": self._sequence, "hashes": self._hashes}).encode()

    def restore(self, state: bytes | None) -> None:
        """Go back to a saved end of the chain."""
        saved = json.loads(state) if state else {"sequence": None, "hashes": {}}
        self._sequence = saved["sequence"]
        self._hashes = {int(sequence): digest for sequence, digest in saved["hashes"].items()}


def _examined_shape(record: RawRecord, document: Mapping[str, object]) -> tuple[str, ...]:
    """Names of the fields that hold lists. Raises DataError for a missing or unknown field, or one of another type."""
    for name in _REQUIRED:
        if name not in document:
            raise DataError(record.source, 0, name, "missing; every audit event has it")
    for name, value in document.items():
        if name not in _NOT_KEPT and type(value) is not _TYPES.get(name):
            raise _refused(record, name, value)
    return tuple(name for name, value in document.items() if type(value) is list)


def _check_values(record: RawRecord, document: Mapping[str, object], lists: Sequence[str]) -> None:
    if document["event.dataset"] != _DATASET:
        raise DataError(record.source, 0, "event.dataset", f"{_DATASET} expected, not {document['event.dataset']!r}")
    if document["event.action"] not in _ACTIONS:
        raise DataError(record.source, 0, "event.action", f"unknown action {document['event.action']!r}")
    if document["event.outcome"] not in _OUTCOMES:
        raise DataError(record.source, 0, "event.outcome", f"success, failure or unknown expected, not {document['event.outcome']!r}")
    if "" in document.values():
        name = next(name for name, value in document.items() if value == "")
        raise _refused(record, name, "")
    for name in lists:
        items = document[name]
        if isinstance(items, list) and not all([type(item) is str for item in items]):  # noqa: C419  # a list is faster than a generator for two
            raise _refused(record, name, items)
    for name in _INTEGERS:
        value = document.get(name)
        if isinstance(value, int) and abs(value) >= _MAX_INTEGER:
            raise _refused(record, name, value)


def _refused(record: RawRecord, name: str, value: object) -> DataError:
    expected = _TYPES.get(name)
    if expected is None:
        return DataError(record.source, 0, name, "unknown field; the audit log has none of that name")
    words = {str: "a text", int: "an integer of 64 bits", list: "a list of texts"}[expected]
    return DataError(record.source, 0, name, f"{words} expected, not {str(value)[:80]!r}")
