"""What a person must be told of the detection itself: a rule that judges nothing, state that was given up, an index that was wrong.

The engine counts; a :class:`Teller` says what has come on top since it was last asked, so that it can be added up where it is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from siem.detection.match import OutOfForce


class Kind(StrEnum):
    """What went wrong."""

    OUT_OF_FORCE = "out_of_force"  # a regular expression took too long; the rule judges nothing
    STATE_LOST = "state_lost"  # a correlation or a baseline reached its bound and gave up its oldest matches
    UNAWAITED = "unawaited"  # a condition that waits was judged without a source that was silent, or before some of its matches came
    DISAGREEMENT = "disagreement"  # the index judged an event otherwise than the rule alone


@dataclass(frozen=True, slots=True)
class Alarm:
    """A rule lost state because it reached its limit: its counts may be too low from now on."""

    rule_id: str
    tenant: str
    lost_count: int


@dataclass(frozen=True, slots=True)
class Raised:
    """What has come on top. An empty ``tenant``: it concerns every one. ``count`` are events not judged, matches lost, detections made
    too soon and matches that came too late, or events judged otherwise; ``problem`` says why, where there is more to say; ``at`` is the
    instant of the first event, where it is known.
    """

    kind: Kind
    rule_id: str
    tenant: str
    count: int
    problem: str = ""
    event_ids: tuple[str, ...] = ()
    at: datetime | None = None


class Counting(Protocol):
    """The counters of an engine."""

    @property
    def out_of_force(self) -> Sequence[OutOfForce]:
        """Rules that judge nothing."""
        ...

    @property
    def alarms(self) -> Sequence[Alarm]:
        """Rules that lost state."""
        ...

    #: Events that were judged in two ways, by rule and tenant; whoever takes them leaves none.
    disagreed: dict[tuple[str, str], list[str]]


class Teller:
    """Says what an engine has not told yet. An engine made anew needs a new one."""

    def __init__(self, engine: Counting) -> None:
        self._engine = engine
        self._out: dict[str, tuple[OutOfForce, int]] = {}
        self._lost: dict[tuple[str, str], int] = {}

    def take(self) -> list[Raised]:
        """What has come on top since the last call."""
        return [*self._out_of_force(), *self._state_lost(), *self._disagreements()]

    def _out_of_force(self) -> list[Raised]:
        found = []
        for one in self._engine.out_of_force:
            before, told = self._out.get(one.rule_id, (one, 0))
            # Put back and out again is another one, with a count of its own.
            new, self._out[one.rule_id] = one.event_count - (told if before is one else 0), (one, one.event_count)
            if new:
                found.append(Raised(Kind.OUT_OF_FORCE, one.rule_id, "", new, one.problem, at=one.at))
        return found

    def _state_lost(self) -> list[Raised]:
        found = []
        for one in self._engine.alarms:
            key = one.rule_id, one.tenant
            new, self._lost[key] = one.lost_count - self._lost.get(key, 0), one.lost_count
            if new:
                found.append(Raised(Kind.STATE_LOST, one.rule_id, one.tenant, new))
        return found

    def _disagreements(self) -> list[Raised]:
        taken, self._engine.disagreed = self._engine.disagreed, {}
        return [
            Raised(Kind.DISAGREEMENT, rule_id, tenant, len(event_ids), event_ids=tuple(event_ids))
            for (rule_id, tenant), event_ids in taken.items()
        ]
