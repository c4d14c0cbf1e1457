"""Durations of the law: elapsed hours, or calendar months in a time zone.

24 h and 72 h are elapsed time, weekends and clock changes included: 72 h over the October change do not end at the same
wall time. A month ends on the day of the same number at the same wall time, on the last day where there is none (31 January →
28 or 29 February); a wall time that the spring change skips is taken an hour later, one that autumn repeats at its first pass.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_PATTERN: Final = re.compile(r"P(?:(?P<months>\d{1,3})M)?(?:(?P<days>\d{1,3})D)?(?:T(?:(?P<hours>\d{1,4})H)?(?:(?P<minutes>\d{1,4})M)?)?")


@dataclass(frozen=True, slots=True)
class Offset:
    """Calendar months, then elapsed time."""

    months: int
    elapsed: timedelta


def parse_offset(value: object) -> Offset:
    """Read ``PT72H``, ``P7D`` (168 elapsed hours), ``P1M``. Raises ValueError on anything else."""
    if isinstance(value, Offset):
        return value
    match = _PATTERN.fullmatch(value) if isinstance(value, str) else None
    parts = {name: int(number or 0) for name, number in match.groupdict().items()} if match else {}
    if not any(parts.values()):
        raise ValueError(f"a duration such as PT72H, P7D or P1M is expected, not {value!r}")
    return Offset(parts["months"], timedelta(days=parts["days"], hours=parts["hours"], minutes=parts["minutes"]))


def add(start: datetime, offset: Offset, zone: ZoneInfo) -> datetime:
    """The instant at which a duration that starts at ``start`` (aware) ends, in UTC."""
    if offset.months:
        start = add_months(start, offset.months, zone)
    return start.astimezone(UTC) + offset.elapsed


def add_months(start: datetime, count: int, zone: ZoneInfo) -> datetime:
    """The same day number and wall time ``count`` months later, clamped to the month's end."""
    local = start.astimezone(zone)
    years, month = divmod(local.month - 1 + count, 12)
    year, month = local.year + years, month + 1
    day = min(local.day, monthrange(year, month)[1])
    # fold=0 names the first of two equal wall times; a skipped one comes out of UTC an hour later.
    return local.replace(year=year, month=month, day=day, fold=0).astimezone(UTC)
