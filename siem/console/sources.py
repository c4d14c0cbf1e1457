"""The sources: each one's rhythm, lag, failures and unreadable records; the silence of a source is itself something to see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from siem.console.event_view import scope
from siem.console.visit import Visit
from siem.detection import Rule
from siem.detection.plan import fields_named
from siem.detection.profile import UnseenField
from siem.event import FIELDS
from siem.sources.source import SourceSettings
from siem.store.events import Search
from siem.store.progress import DeadLetter, SourceCounts, list_dead_letters, read_counts
from siem.store.query import parse_query

_RHYTHM: Final = timedelta(hours=24)
_HOURS: Final = 24
#: Dropped records shown, newest first.
_SHOWN_LETTERS: Final = 20
_NOTHING: Final = SourceCounts("", 0, 0, 0, {}, None)


@dataclass(frozen=True, slots=True)
class Health:
    """How one source does. ``state`` is never, silent, dropping or well; ``hourly`` counts its events of the last 24 hours."""

    settings: SourceSettings
    counts: SourceCounts
    state: str
    hourly: tuple[int, ...]
    last_event_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fields:
    """Of one source: fields that rules ask for and no event had, and fields without a column that no rule reads."""

    source: str
    expected: tuple[UnseenField, ...]
    unread: tuple[str, ...]


def index(visit: Visit) -> Response:
    """Every source this person sees, those in trouble first, and the last records that could not be read."""
    with visit.reading() as connection:
        counts = {count.source: count for count in read_counts(connection)}
        letters = list_dead_letters(connection, limit=_SHOWN_LETTERS)
    sources = [_health(visit, source, counts) for source in visit.services.sources if visit.principal.sees(source.finess, source.tenant)]
    order = ("never", "silent", "dropping", "well")
    sources.sort(key=lambda health: (order.index(health.state), health.settings.name))
    seen = {health.settings.name for health in sources}
    letters = _visible(letters, seen)
    forgetful, fields = _forgetful(visit), _fields(visit, sources)
    backlog = visit.services.backlog()
    return visit.render("sources.html", sources=sources, backlog=backlog, letters=letters, forgetful=forgetful, fields=fields)


def _fields(visit: Visit, sources: Sequence[Health]) -> list[Fields]:
    """For each source: what rules miss in it, and what it sends for nobody; sources with nothing of either are left out."""
    profiles = visit.services.profiles()
    missing = profiles.unseen() if profiles is not None else []
    read, held = fields_named(visit.services.ruleset()), visit.services.events.other_names(visit.principal.tenant)
    found = []
    for name in sorted(health.settings.name for health in sources):
        expected = tuple(one for one in missing if one.source == name)
        unread = tuple(sorted(held.get(name, frozenset()) - FIELDS.keys() - read))
        if expected or unread:
            found.append(Fields(name, expected, unread))
    return found


def _forgetful(visit: Visit) -> list[tuple[Rule, int]]:
    """Correlations that had no room for all their matches of this tenant, with how many they lost: their counts may be too low."""
    lost = {alarm.rule_id: alarm.lost_count for alarm in visit.services.alarms() if alarm.tenant == visit.principal.tenant}
    return [(rule, lost[rule.id]) for rule in visit.services.rules.values() if rule.id in lost]


def _visible(letters: list[DeadLetter], seen: set[str]) -> list[DeadLetter]:
    """Dropped records of these sources; their bytes are not shown, for they name people."""
    return [letter for letter in letters if letter.record.source in seen]


def _health(visit: Visit, source: SourceSettings, counts: Mapping[str, SourceCounts]) -> Health:
    count = counts.get(source.name, _NOTHING)
    of_source = parse_query(f'source:"{source.name}"')
    store, seen = visit.services.events, scope(visit.principal)
    buckets = store.histogram(Search(seen, of_source, visit.now - _RHYTHM, visit.now), bucket_count=_HOURS)
    last = store.search(Search(seen, of_source), limit=1).events
    return Health(source, count, _state(source, count, visit.now), tuple(bucket.count for bucket in buckets), last[0].at if last else None)


def _state(source: SourceSettings, count: SourceCounts, now: datetime) -> str:
    if count.last_received_at is None:
        return "never"
    if source.is_silent(count.last_received_at, now):
        return "silent"
    return "dropping" if sum(count.dropped.values()) else "well"
