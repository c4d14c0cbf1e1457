"""How far time has come in each source of each tenant, by its events, and up to when no more events are waited for.

A condition that waits is judged once every source that can feed its rule has passed the instant, less the lateness allowed. Three bounds
keep one source from holding the others for ever:

- A source that lags more than ``max_lag`` behind the newest one is not waited for.
- Neither is one that has fallen silent: from which nothing came for its ``silence``, while others brought events. That is reckoned in the
  time of arrival that records carry, so a repeated batch gives the same. A stretch in which nobody brought anything tells nothing about
  one of them: of it, half of the shortest ``silence`` counts at most. What was judged stays judged; what such a source brings later may
  be late.
- An event more than ``max_lag`` ahead of its source's time moves nothing until a second one confirms it: one wrong date closes no window.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from siem.event import Event

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SILENCE: Final = timedelta(minutes=15)


def microseconds(at: datetime) -> int:
    """An instant as correlations count it."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The instant of a number of microseconds."""
    return _EPOCH + at * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Feeder:
    """A source that events are expected of. Without a ``tenant``, of any; without a ``type``, it may feed every rule.

    ``silence``: after how long without an event from it, while others bring some, it is no longer waited for.
    """

    name: str
    type: str = ""
    tenant: str = ""
    silence: timedelta = _SILENCE


@dataclass(slots=True)
class _Time:
    """How far one source has come. ``beyond`` is the instant of an event far ahead that no second one has confirmed."""

    newest: datetime
    beyond: datetime | None = None
    #: Nothing but its first event came so far: that may be the one whose date is wrong.
    first_alone: bool = True
    #: An event came since the last reckoning; how much had been listened by then; whether nothing has come for too long.
    heard: bool = True
    heard_at: timedelta = timedelta(0)
    silent: bool = False
    #: Up to here some rule that it feeds has been judged; an earlier event comes late.
    judged_to: datetime | None = None


@dataclass(slots=True)
class _Tenant:
    """The sources of one tenant. ``listened`` grows with the time of arrival; ``closed`` (µs) is by the feeders that are not waited for."""

    times: dict[str, _Time]
    arrived_at: datetime | None = None
    listened: timedelta = timedelta(0)
    closed: dict[frozenset[str], int] = field(default_factory=dict)


class Clocks:
    """The time of each source, for each tenant. ``lateness`` and ``max_lag`` as the engine's.

    ``fed_by`` gives, for each rule, the types of sources that can feed it (none known: any). A source that is not among the ``feeders``
    but brings events feeds every rule.
    """

    def __init__(
        self,
        lateness: timedelta,
        max_lag: timedelta,
        feeders: Iterable[str | Feeder],
        fed_by: Mapping[str, frozenset[str]],
    ) -> None:
        #: Events by source that lagged behind, or were dated in the future.
        self.late_counts: dict[str, int] = {}
        self.ahead_counts: dict[str, int] = {}
        self._lateness = lateness
        self._max_lag = max_lag
        #: Where the newest event is all that is waited for, events come in order, and none is too far ahead.
        self._leap = max_lag or timedelta.max
        self._feeders = tuple(Feeder(one) if isinstance(one, str) else one for one in feeders)
        self._silences = {one.name: one.silence for one in self._feeders}
        self._shortest = min(self._silences.values(), default=_SILENCE)
        #: For each rule, the feeders that are not waited for; rules that share them share what is closed.
        self._apart = {
            rule_id: frozenset(one.name for one in self._feeders if types and one.type and one.type not in types)
            for rule_id, types in fed_by.items()
        }
        self._groups = {frozenset[str](), *self._apart.values()}
        self._tenants: dict[str, _Tenant] = {}
        self._written: dict[str, dict[str, Any]] = {}

    def note(self, event: Event, now: datetime | None) -> None:
        """An event came. From ``now`` on is the future, which does not move time on for the others."""
        tenant = self._tenants.get(event.tenant)
        if tenant is None:
            tenant = self._tenants[event.tenant] = _Tenant({})
        one, at = tenant.times.get(event.source), event.at
        if now is not None and at > now:
            self.ahead_counts[event.source] = self.ahead_counts.get(event.source, 0) + 1
            at = now
            if one is not None and at - one.newest > self._leap:
                return
        if one is None:
            tenant.times[event.source] = _Time(at, first_alone=self._leap < timedelta.max)
            return
        one.heard = True
        newest, first_alone, one.first_alone = one.newest, one.first_alone, False
        late = one.judged_to is not None and at < one.judged_to
        if at > newest:
            if at - newest <= self._leap:
                one.newest = at
            else:
                _confirm_or_keep(one, at, self._leap)
        elif first_alone and newest - at > self._leap:
            one.newest, one.beyond = at, newest
        elif newest - at > self._lateness:
            late = True
        if late:
            self.late_counts[event.source] = self.late_counts.get(event.source, 0) + 1

    def reckon(self, tenant: str, arrived_at: datetime | None = None) -> None:
        """After the events of a batch, which arrived then: find out who is silent, and what is closed."""
        state = self._tenants[tenant]
        if arrived_at is not None:
            if state.arrived_at is not None and arrived_at > state.arrived_at:
                state.listened += min(arrived_at - state.arrived_at, self._shortest / 2)
            state.arrived_at = max(arrived_at, state.arrived_at or arrived_at)
        for name, one in state.times.items():
            if one.heard:
                one.heard, one.heard_at, one.silent = False, state.listened, False
            else:
                one.silent = state.listened - one.heard_at > self._silences.get(name, _SILENCE)
        self._close(tenant, state)

    def _close(self, tenant: str, state: _Tenant) -> None:
        """What is closed never opens again: who comes back from silence is waited for from where the others are."""
        before = state.closed
        state.closed = {}
        for apart in self._groups:
            to = self._waited_to(tenant, state, apart)
            state.closed[apart] = max(to, before.get(apart, to))
        for name, one in state.times.items():
            one.judged_to = moment(max(0, *(at for apart, at in state.closed.items() if name not in apart)))

    def _waited_to(self, tenant: str, state: _Tenant, apart: frozenset[str]) -> int:
        times = state.times
        latest = _latest(times.values())
        bound = latest - self._max_lag // _MICROSECOND
        awaited = [microseconds(one.newest) for name, one in times.items() if not one.silent and name not in apart]
        if any(name not in times and name not in apart and state.listened <= silence for name, silence in self._expected(tenant)):
            awaited.append(bound)
        return max(min(awaited, default=latest), bound) - self._lateness // _MICROSECOND

    def _expected(self, tenant: str) -> Sequence[tuple[str, timedelta]]:
        return [(one.name, one.silence) for one in self._feeders if one.tenant in ("", tenant)]

    @property
    def tenants(self) -> tuple[str, ...]:
        """Those of whom events came."""
        return tuple(self._tenants)

    def closed_at(self, tenant: str, rule_id: str) -> int:
        """Up to when no more events are waited for that feed a rule (µs), as last reckoned; -1 before the first time."""
        return self._tenants[tenant].closed.get(self._apart.get(rule_id, frozenset()), -1)

    def silent(self, tenant: str, rule_id: str) -> list[str]:
        """Sources that a rule is judged without, because they have fallen silent."""
        apart, state = self._apart.get(rule_id, frozenset()), self._tenants[tenant]
        absent = [name for name, silence in self._expected(tenant) if name not in state.times and state.listened > silence]
        return sorted(name for name in (*absent, *(name for name, one in state.times.items() if one.silent)) if name not in apart)

    def newest(self, tenant: str) -> int:
        """The newest instant of any source (µs)."""
        return _latest(self._tenants[tenant].times.values())

    def confirm(self, tenant: str) -> None:
        """No more events come: what was far ahead is believed."""
        for one in self._tenants[tenant].times.values():
            one.newest, one.beyond, one.first_alone = max(one.newest, one.beyond or one.newest), None, False

    def horizon(self, tenant: str) -> int:
        """What is older is of no use to any source (µs)."""
        times = self._tenants[tenant].times
        slowest = -1
        if all(name in times for name, _ in self._expected(tenant)):
            slowest = microseconds(min(one.newest for one in times.values()))
        return max(slowest, self.newest(tenant) - self._max_lag // _MICROSECOND) - self._lateness // _MICROSECOND

    def take_changed(self) -> dict[str, dict[str, Any]]:
        """The time of tenants for whom it has moved since the last call."""
        now = {tenant: self.of(tenant) for tenant in self._tenants}
        changed = {tenant: kept for tenant, kept in now.items() if kept != self._written.get(tenant)}
        self._written = now
        return changed

    def of(self, tenant: str) -> dict[str, Any]:
        """The time of a tenant, as JSON: instants and lengths in µs."""
        state = self._tenants[tenant]
        sources = {
            name: [microseconds(one.newest), _written(one.beyond), one.first_alone, one.heard_at // _MICROSECOND, one.silent]
            for name, one in state.times.items()
        }
        closed = sorted([sorted(apart), at] for apart, at in state.closed.items())
        return {"sources": sources, "arrived": _written(state.arrived_at), "listened": state.listened // _MICROSECOND, "closed": closed}

    def restore(self, tenant: str, kept: Mapping[str, Any]) -> None:
        """Take back what :meth:`of` gave."""
        state, self._written[tenant] = _Tenant({}), dict(kept)
        self._tenants[tenant] = state
        if not isinstance(kept.get("sources"), dict):
            kept = self._of_before(kept)
        for name, (newest, beyond, first_alone, heard_at, silent) in kept["sources"].items():
            state.times[name] = _Time(moment(newest), _read(beyond), first_alone, False, heard_at * _MICROSECOND, silent)
        state.arrived_at = _read(kept["arrived"])
        state.listened = kept["listened"] * _MICROSECOND
        state.closed = {frozenset(apart): at for apart, at in kept["closed"]}
        self._close(tenant, state)

    def _of_before(self, newest: Mapping[str, int]) -> Mapping[str, Any]:
        """What earlier versions wrote: the newest instant of each source; the newest of all had closed what was before."""
        closed = max(newest.values()) - self._lateness // _MICROSECOND
        sources = {name: [at, None, False, 0, False] for name, at in newest.items()}
        return {"sources": sources, "arrived": None, "listened": 0, "closed": [[sorted(apart), closed] for apart in self._groups]}


def _latest(times: Iterable[_Time]) -> int:
    """The newest instant that is not the only one of its source (µs), 0 where there is none yet."""
    return max((microseconds(one.newest) for one in times if not one.first_alone), default=0)


def _written(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _read(at: int | None) -> datetime | None:
    return None if at is None else moment(at)


def _confirm_or_keep(one: _Time, at: datetime, far: timedelta) -> None:
    """An event far ahead of its source: two of them move time on to the earlier of the two."""
    if one.beyond is None or one.beyond - one.newest <= far:
        one.beyond = at
        return
    low, high = sorted((one.beyond, at))
    one.newest, one.beyond = (low, high) if high - low > far else (high, None)
