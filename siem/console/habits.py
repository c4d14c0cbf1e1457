"""What somebody usually does, beside what they did now: counted from their own events of the weeks before."""

import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from siem.console.templating import search_value
from siem.event import FIELDS
from siem.incidents.model import Alert
from siem.store.events import EventStore, Scope, Search
from siem.store.query import parse_query

_BEFORE: Final = timedelta(days=30)
_DAY: Final = timedelta(days=1)
_MOST: Final = 5
_COMPARED: Final = ("source.geo.country_iso_code", "source.ip", "service.name", "event.action")


@dataclass(frozen=True, slots=True)
class Habit:
    """The frequent values of one field with their counts, and those of the alert that were never seen before."""

    field: str
    usual: tuple[tuple[str, int], ...]
    unseen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """Events in spans of a day: the median and the most of those with any in the month before, and the most during the alert."""

    usual: int
    most: int
    now: int


@dataclass(frozen=True, slots=True)
class Habits:
    """``event_count`` events of the month before what is suspect; no habit when there is none to compare with."""

    event_count: int
    since: datetime
    fields: tuple[Habit, ...]
    pace: Pace | None = None


def of_subject(store: EventStore, scope: Scope, alert: Alert, until: datetime) -> Habits:
    """The habits of the alert's subject in the month that ends with ``until``: what is suspect must not count as usual."""
    since = until - _BEFORE
    if alert.subject_field not in FIELDS:
        return Habits(0, since, ())  # a rule of our own making may be about something that no event field holds
    subject = parse_query(f"{alert.subject_field}:{search_value(alert.subject)}")
    before = Search(scope, subject, since, until)
    during = Search(scope, subject, alert.first_at, alert.last_at + timedelta(microseconds=1))
    count = store.count(before)
    found = []
    # What the alert says is new comes first.
    told = [name for name, _ in alert.group if name in FIELDS]
    for field in dict.fromkeys((*told, *_COMPARED)) if count else ():
        if field == alert.subject_field:
            continue
        usual = store.top_values(before, field, limit=50)
        known = {value for value, _ in usual}
        unseen = tuple(value for value, _ in store.top_values(during, field, limit=_MOST) if value not in known)
        if usual or unseen:
            found.append(Habit(field, tuple(usual[:_MOST]), unseen))
    return Habits(count, since, tuple(found), _pace(store, before, alert) if count else None)


def _pace(store: EventStore, before: Search, alert: Alert) -> Pace:
    days = [bucket.count for bucket in store.histogram(before, bucket_count=_BEFORE.days) if bucket.count]
    span = max(alert.last_at - alert.first_at, _DAY)
    during = Search(before.scope, before.query, alert.last_at - span, alert.last_at + timedelta(microseconds=1))
    now = [bucket.count for bucket in store.histogram(during, bucket_count=-(-span // _DAY))]
    return Pace(statistics.median_low(days), max(days), max(now, default=0))
