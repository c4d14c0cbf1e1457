"""The provider's one clock: every lifetime, ``iat`` and audit time comes from it."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Where components ask for the present instant; aware, UTC.
Now = Callable[[], datetime]


class ClockError(ValueError):
    """Someone tried to turn the clock back: tokens issued since would come from the future."""


class Clock:
    """Wall time plus an offset that tests may set; it never goes back. ``start_at``: where it begins, if not at wall time."""

    def __init__(self, wall: Now, start_at: datetime | None = None) -> None:
        self._wall = wall
        self._offset = timedelta() if start_at is None else start_at.astimezone(UTC) - wall()

    def __call__(self) -> datetime:
        """The present instant, aware and in UTC."""
        return self._wall() + self._offset

    def set(self, at: datetime) -> datetime:
        """Jump to ``at`` and go on from there at the pace of the wall; raises :class:`ClockError` when ``at`` is past."""
        if at.tzinfo is None:
            raise ClockError("the instant has no time zone: write it as RFC 3339 with Z or an offset")
        now = self()
        if at < now:
            raise ClockError(f"the clock never goes back: it is {now.isoformat()}, {at.isoformat()} was asked")
        self._offset = at.astimezone(UTC) - self._wall()
        return self()

    def follow_wall(self) -> datetime:
        """Take up wall time again; raises :class:`ClockError` when that would go back."""
        return self.set(self._wall())


def ordered_id(now: datetime) -> str:
    """A UUID that begins with the time (RFC 9562 §5.7, version 7): rows of one moment share pages of an index, which halves a write.

    For what names a record; never for a secret.
    """
    chance = secrets.randbits(74)
    value = int(now.timestamp() * 1000) << 80 | 0x7 << 76 | (chance >> 62) << 64 | 0b10 << 62 | chance & (1 << 62) - 1
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
