"""Search over the events: a line to type, when it happened, which values are frequent, and narrowing by click."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from siem.console import histogram
from siem.console.event_view import scope, shown
from siem.console.moments import PARIS
from siem.console.visit import Form, Visit
from siem.errors import DataError
from siem.store.events import Bucket, Cursor, EventStore, Search
from siem.store.query import Query, parse_query

_PER_PAGE: Final = 30
_BARS: Final = 60
_TOP: Final = 6
#: Periods offered beside free bounds, by the code in the address; the first is the default.
PERIODS: Final[Mapping[str, timedelta | None]] = {
    "7j": timedelta(days=7),
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "30j": timedelta(days=30),
    "tout": None,
}
#: Fields whose most frequent values stand beside the results.
FACETS: Final = ("event.action", "event.outcome", "user.id", "source.ip", "source.geo.country_iso_code", "service.name")
#: Bounds may be typed in these years: near the ends of the calendar, no local time can be computed.
_YEARS: Final = range(1970, 2300)
#: Fields shown in the line of a result, in this order.
_SUMMARY: Final = (
    *("event.action", "event.outcome", "event.code", "host.name", "user.id", "source.ip", "service.name", "health.patient.pseudonym"),
    *("Image", "process.executable", "CommandLine", "process.command_line", "log.flags"),
)


@dataclass(frozen=True, slots=True)
class Period:
    """The bounds in force; ``code`` is empty when they were typed or clicked."""

    code: str
    from_at: datetime | None
    to_at: datetime | None


def show(visit: Visit) -> Response:
    """The search page: ``q``, ``periode`` or ``de`` and ``a`` (Paris time), ``apres`` for older results."""
    query = visit.query
    period, errors = _period(query, visit.now, visit)
    store = visit.services.events
    parsed, problem = _parsed(query.get("q"), frozenset().union(*store.other_names(visit.principal.tenant).values()))
    if problem:
        errors["q"] = problem
    values: dict[str, Any] = {"query": query, "period": period, "periods": list(PERIODS), "errors": errors, "bounds": _bounds}
    if errors:
        return visit.render("search.html", status=422, page=None, drawing=None, facets={}, rows=[], next_cursor="", **values)
    search = Search(scope(visit.principal), parsed, period.from_at, period.to_at)
    page = store.search(search, limit=_PER_PAGE, after=_cursor(query.get("apres")))
    following = f"{page.following.at.isoformat()}~{page.following.id}" if page.following else ""
    return visit.render(
        "search.html",
        page=page,
        drawing=histogram.draw(_buckets(store, search)),
        facets=_facets(store, search) if page.total else {},
        rows=[shown(event, _SUMMARY) for event in page.events],
        next_cursor=following,
        **values,
    )


def _buckets(store: EventStore, search: Search) -> list[Bucket]:
    return store.histogram(search, bucket_count=_BARS)


def _facets(store: EventStore, search: Search) -> dict[str, list[tuple[str, int]]]:
    found = {name: store.top_values(search, name, limit=_TOP) for name in FACETS}
    return {name: values for name, values in found.items() if values}


def _parsed(typed: str, others: Collection[str]) -> tuple[Query, str]:
    """The condition of the line, or what is wrong with it. ``others`` are the fields without a column that events have."""
    try:
        return parse_query(typed, others), ""
    except DataError as error:
        return Query(), f"{error.field}: {error.problem}" if error.field else error.problem


def _period(query: Form, now: datetime, visit: Visit) -> tuple[Period, dict[str, str]]:
    errors: dict[str, str] = {}
    if not query.get("de") and not query.get("a"):
        code = query.get("periode") if query.get("periode") in PERIODS else next(iter(PERIODS))
        length = PERIODS[code]
        # The end stays open: an event of a source whose clock runs ahead is shown too.
        return Period(code, now - length if length else None, None), errors
    bounds: dict[str, datetime | None] = {}
    for name in ("de", "a"):
        bounds[name] = _paris(query.get(name))
        if query.get(name) and bounds[name] is None:
            errors[name] = visit.language.text("form.bad_instant")
    start, end = bounds["de"], bounds["a"]
    if start and end and start >= end:
        errors["a"] = visit.language.text("search.end_before_start")
    return Period("", start, end), errors


def _paris(typed: str) -> datetime | None:
    """An instant as typed (Paris time); with an offset it is taken as such. None for what is none or lies in no time of ours."""
    try:
        at = datetime.fromisoformat(typed)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=PARIS)) if at.year in _YEARS else None


def _bounds(query: Form, bucket: Bucket) -> str:
    """The query string that narrows to one bar."""
    start, end = (at.astimezone(PARIS).isoformat() for at in (bucket.start_at, bucket.end_at))
    return query.replaced(de=start, a=end, periode=None, apres=None)


def _cursor(typed: str) -> Cursor | None:
    at, _, identifier = typed.partition("~")
    instant = _paris(at)
    return Cursor(instant, identifier) if instant and identifier else None
