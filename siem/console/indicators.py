"""The sets of indicators: what each holds, its age, when it last matched, and what is allowed although it is listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from starlette.responses import Response

from siem.console.visit import Visit
from siem.detection import Rule
from siem.detection.indicators import Allowed
from siem.history import store
from siem.history.store import Run
from siem.incidents import set_matches
from siem.indicators.book import About
from siem.indicators.sets import Sets
from siem.store import filter_hits
from siem.store.filter_hits import Hidden

#: A set that nobody has loaded again for this long is shown as old: addresses change hands.
OLD_AFTER: Final = timedelta(days=30)
#: Looks at history shown, newest first, of so many runs of all kinds.
_RUNS_SHOWN: Final = 10
_RUNS_READ: Final = 500


@dataclass(frozen=True, slots=True)
class SetRow:
    """One set. ``state``: valid, old (not loaded for long), expired (all of it) or empty; ``last_at`` is the event of its last match."""

    about: About
    state: str
    expired_count: int
    next_end: date | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class AllowedRow:
    """An entry of the allow-list with what it hid. ``state``: active, expired, or unused so far."""

    entry: Allowed
    state: str
    count: int
    last_at: datetime | None


def index(visit: Visit) -> Response:
    """Every set, those in trouble first, the allow-list, and what was looked for in history."""
    sets = Sets(visit.services.indicators, quiet=True)
    sets.refresh()
    with visit.reading() as connection:
        matched = set_matches.read(connection, visit.principal.tenant)
        hits = filter_hits.read(connection, visit.principal.tenant)
        runs = [run for run in store.recent_runs(connection, limit=_RUNS_READ) if run.set_name and run.tenant == visit.principal.tenant]
    rows = [_set_row(book.about, matched, visit.now) for book in sets.books]
    order = ("empty", "expired", "old", "valid")
    rows.sort(key=lambda row: (order.index(row.state), row.about.name))
    return visit.render(
        "indicators.html",
        sets=rows,
        total=sum(row.about.count for row in rows),
        broken=[str(replace(error, path=Path(error.path).name)) for error in sets.broken],
        allowed=[_allowed_row(one, hits, visit.now) for one in sets.allow_list.entries],
        rules=_rules(visit),
        runs=_known(visit, runs)[:_RUNS_SHOWN],
    )


def _set_row(about: About, matched: Mapping[str, datetime], now: datetime) -> SetRow:
    expired = about.expired_count(now)
    state = "empty" if not about.count else "expired" if expired == about.count else "old" if now - about.loaded_at > OLD_AFTER else "valid"
    next_end = next((day for day, _ in about.ends if day >= now.date()), None)
    return SetRow(about, state, expired, next_end, matched.get(about.name))


def _allowed_row(one: Allowed, hits: Sequence[Hidden], now: datetime) -> AllowedRow:
    mine = [hit for hit in hits if hit.filter == one.key]
    count = sum(hit.count for hit in mine)
    state = "expired" if not one.holds_at(now) else "active" if count else "unused"
    return AllowedRow(one, state, count, max((hit.last_at for hit in mine if hit.last_at), default=None))


def _rules(visit: Visit) -> list[tuple[Rule, str]]:
    """The rules that compare events with sets, with the names of the sets where they name any."""
    return [(one.rule, ", ".join(sorted(one.wanted.sets))) for one in visit.services.ruleset().indicators]


def _known(visit: Visit, runs: Sequence[Run]) -> list[Run]:
    """Runs of rules that are still there: a page of theirs can be opened."""
    return [run for run in runs if run.rule_id in visit.services.rules]
