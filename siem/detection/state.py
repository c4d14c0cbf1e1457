"""How correlation state is written down: one small record for each group and part of its time.

A record holds ``[[[entry, mark] …], {event returned: instant}]`` as JSON; the key names the rule, a fingerprint of
what the rule says (state of a rule that has changed since is of no use), the tenant, the group and the part.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from siem.detection.correlate import Correlator
from siem.detection.groups import Key
from siem.detection.load import CompiledCorrelation


@dataclass(frozen=True, slots=True)
class StateKey:
    """Where a record belongs. Without a ``rule_id``, the time of the tenant's sources; or what its ``fingerprint`` names of the engine."""

    rule_id: str
    fingerprint: str
    tenant: str
    group: Key
    part: int

    @classmethod
    def of_time(cls, tenant: str) -> "StateKey":
        """The key of the time of a tenant's sources."""
        return cls("", "", tenant, (), 0)

    @classmethod
    def of_profiles(cls) -> "StateKey":
        """The key of the counters of all rules."""
        return cls("", "profiles", "", (), 0)

    @classmethod
    def parse(cls, text: str) -> "StateKey":
        """Read a key written by :meth:`text`."""
        rule_id, fingerprint, tenant, group, part = orjson.loads(text)
        return cls(rule_id, fingerprint, tenant, tuple(group), part)

    def text(self) -> str:
        """The key as text."""
        return orjson.dumps([self.rule_id, self.fingerprint, self.tenant, list(self.group), self.part]).decode()


def fingerprint(one: CompiledCorrelation) -> str:
    """Changes when what the correlation says changes."""
    said = repr((one.correlation, one.inputs))
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def pack(correlator: Correlator, key: Key, part: int) -> bytes | None:
    """The record of one part of a group, or None where nothing is left of it."""
    group = correlator.groups.get(key)
    if group is None:
        return None
    start, end = part * correlator.part, (part + 1) * correlator.part
    places = range(group.index(start), group.index(end))
    returned = {event_id: at for event_id, at in group.returned.items() if start <= at < end}
    if not places and not returned:
        return None
    return orjson.dumps([[[group.entries[place], group.marks[place]] for place in places], returned])


def unpack(correlator: Correlator, key: Key, part: int, data: bytes) -> None:
    """Give a record back to its correlator."""
    entries, returned = orjson.loads(data)
    restored = [
        ((at, place, event_id, value, tuple(origin), tuple(carried)), mark)
        for (at, place, event_id, value, origin, carried), mark in entries
    ]
    correlator.put_back(key, part, restored, returned)


def pack_time(kept: Mapping[str, object]) -> bytes:
    """The time of a tenant's sources (:meth:`siem.detection.clocks.Clocks.of`)."""
    return orjson.dumps(kept)


def unpack_time(data: bytes) -> dict[str, Any]:
    """Read what :func:`pack_time` wrote."""
    return dict(orjson.loads(data))
