"""How fast one network may come to a door that costs something before anybody has proved anything.

Kept in memory: a request that is refused costs next to nothing, and a restart forgets. What must survive a restart (attempts at a login,
failures of a client) is counted in the store (:mod:`idp.authentication.limits`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

#: Networks that are remembered; beyond it those that wait for nothing are forgotten, and in the worst case all.
_MAX_NETWORKS: Final = 50_000


@dataclass(slots=True)
class _Seen:
    #: When this network would have used up what it has used, at the steady rate.
    until: datetime
    refused: bool = False


class Pace:
    """``count`` requests at once, and then as many in each ``within``, evenly (the generic cell rate algorithm, ITU-T I.371)."""

    def __init__(self, count: int, within: timedelta) -> None:
        self._each = within // count
        self._within = within
        self._seen: dict[str, _Seen] = {}

    def wait(self, network: str, now: datetime) -> timedelta | None:
        """Count one request; how long to wait where it is one too many, None where it is not."""
        seen = self._seen.get(network)
        if seen is None:
            self._make_room(now)
            seen = self._seen[network] = _Seen(now)
        until = max(seen.until, now) + self._each
        if until > now + self._within:
            return until - now - self._within
        seen.until, seen.refused = until, False
        return None

    def first_refusal(self, network: str) -> bool:
        """True once between two requests that were let in: a flood is worth one line in a log, not one for each request."""
        seen = self._seen.get(network)
        if seen is None or seen.refused:
            return False
        seen.refused = True
        return True

    def _make_room(self, now: datetime) -> None:
        if len(self._seen) < _MAX_NETWORKS:
            return
        self._seen = {network: seen for network, seen in self._seen.items() if seen.until > now}
        if len(self._seen) >= _MAX_NETWORKS:
            self._seen.clear()
