"""Instants as SQLite keeps them: integer microseconds since 1970, UTC, exact both ways."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """The column's value for an aware instant."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The instant of a column's value."""
    return _EPOCH + timedelta(microseconds=value)
