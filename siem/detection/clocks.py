"""How far time has come in each source of each tenant, by its events, and what came out of its time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from siem.event import Event

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """An instant as correlations count it."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The instant of a number of microseconds."""
    return _EPOCH + at * _MICROSECOND


class Clocks:
    """The newest instant of each source, for each tenant. ``lateness`` and ``max_lag`` as the engine's."""

    def __init__(self, lateness: timedelta, max_lag: timedelta, sources: Sequence[str]) -> None:
        #: Events by source that lagged behind, or were dated in the future.
        self.late_counts: dict[str, int] = {}
        self.ahead_counts: dict[str, int] = {}
        self._lateness = lateness
        self._max_lag = max_lag
        self._sources = tuple(sources)
        self._newest: dict[str, dict[str, datetime]] = {}
        self._changed: set[str] = set()

    def note(self, event: Event, now: datetime | None) -> None:
        """An event came. From ``now`` on is the future, which does not move time on for the others."""
        newest = self._newest.get(event.tenant)
        if newest is None:
            newest = self._newest[event.tenant] = {}
        at, known = event.at, newest.get(event.source)
        if now is not None and at > now:
            self.ahead_counts[event.source] = self.ahead_counts.get(event.source, 0) + 1
            at = now
        if known is None or at > known:
            newest[event.source] = at
            self._changed.add(event.tenant)
        elif at < known and known - at > self._lateness:
            self.late_counts[event.source] = self.late_counts.get(event.source, 0) + 1

    @property
    def tenants(self) -> tuple[str, ...]:
        """Those of whom events came."""
        return tuple(self._newest)

    def closed_at(self, tenant: str) -> int:
        """Up to when no more events are waited for (µs)."""
        return self.newest(tenant) - self._lateness // _MICROSECOND

    def newest(self, tenant: str) -> int:
        """The newest instant of any source (µs)."""
        return microseconds(max(self._newest[tenant].values()))

    def horizon(self, tenant: str) -> int:
        """What is older is of no use to any source (µs)."""
        newest = self._newest[tenant]
        latest = microseconds(max(newest.values()))
        named = (*newest, *self._sources)
        slowest = -1 if any(source not in newest for source in named) else microseconds(min(newest.values()))
        return max(slowest, latest - self._max_lag // _MICROSECOND) - self._lateness // _MICROSECOND

    def take_changed(self) -> dict[str, dict[str, int]]:
        """The instants (µs) of tenants whose time has moved since the last call."""
        changed, self._changed = self._changed, set()
        return {tenant: self.of(tenant) for tenant in changed}

    def of(self, tenant: str) -> dict[str, int]:
        """The newest instant (µs) of each source of a tenant."""
        return {source: microseconds(at) for source, at in self._newest[tenant].items()}

    def restore(self, tenant: str, newest: Mapping[str, int]) -> None:
        """Take back what :meth:`of` gave."""
        self._newest[tenant] = {source: moment(at) for source, at in newest.items()}
