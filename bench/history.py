"""Rules over stored history: hunts in a store of ten million events of ninety days, beside a plain scan of one column of it.

The seconds are the processor time of this process, DuckDB's threads included. The store takes a minute to make, and 400 MB of the disk.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

from bench.report import Row
from siem.detection.load import Ruleset, load_rules
from siem.detection.naming import find_rule
from siem.history.hunt import Stretch, hunt, plan
from siem.store.events import EventStore, Scope

ROOT: Final = Path(__file__).resolve().parents[1]
_EVENT_COUNT: Final = 10_000_000
_DAYS: Final = 90
_END: Final = datetime(2026, 3, 15, tzinfo=UTC)
_REPEATS: Final = 3
#: Rules measured, and what they stand for.
_RULES: Final = {
    "access/fhir_bulk_export": "an equality and a number, SQL alone",
    "web/nginx_path_traversal": "texts looked for in addresses",
    "web/nginx_sql_injection": "a regular expression, SQL narrows",
    "access/fhir_record_sweep": "a correlation of all reads of records",
}
#: Nothing but i, the number of the row, decides: the same store on every run. A third each of a web server, a patient record, a provider.
_GENERATE: Final = """
INSERT INTO events (id, "at", source, tenant, sequence, "event.dataset", "event.action", "event.outcome", "event.category", "user.id",
    "source.ip",
    "user_agent.original", "url.original", "url.path", "http.request.method", "http.response.status_code", "message", "health.session.id",
    "health.patient.pseudonym", "health.record.count", "health.structure.finess", "source.geo.country_iso_code")
SELECT printf('%032x', i), make_timestamp(? + i * ?), kind, 'default', i,
    CASE kind WHEN 'nginx' THEN 'nginx.access' WHEN 'fhir' THEN 'fhir.audit_event' ELSE 'idp.audit' END,
    CASE kind WHEN 'nginx' THEN 'http.request'
        WHEN 'fhir' THEN ['record.read', 'record.searched', 'record.exported'][1 + CAST(least(h % 50, 2) AS BIGINT)]
        ELSE ['login.succeeded', 'session.started', 'access_token.issued'][1 + CAST(h % 3 AS BIGINT)] END,
    CASE WHEN h % 60 = 0 THEN 'failure' ELSE 'success' END, ['web'],
    CASE WHEN kind <> 'nginx' THEN printf('P-%010x', h % 3000) END, printf('192.0.%d.%d', h % 4, h % 250),
    CASE WHEN kind = 'nginx' THEN printf('Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Firefox/%d.0', h % 30, h % 30) END,
    CASE WHEN kind = 'nginx' THEN printf('/dossiers/%d?page=%d', h % 50000, h % 7) END,
    CASE WHEN kind = 'nginx' THEN printf('/dossiers/%d', h % 50000) END,
    CASE WHEN kind = 'nginx' THEN 'GET' END, CASE WHEN kind = 'nginx' THEN [200, 200, 200, 304, 404][1 + CAST(h % 5 AS BIGINT)] END,
    printf('Opération %d effectuée', i), printf('session-%d', h % 9000), CASE WHEN kind = 'fhir' THEN printf('X-%d', h % 5000) END,
    CASE WHEN kind = 'fhir' THEN 1 END, CASE WHEN kind = 'fhir' THEN '0B0000005' END, 'FR'
FROM (SELECT i, hash(i) % 1000003 AS h, ['nginx', 'fhir', 'idp'][1 + i % 3] AS kind FROM range(?) AS t(i))
"""


def rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Every measure of history; ``folder`` is empty and ours. Each is repeated three times, whatever ``seconds`` says."""
    ruleset = load_rules(ROOT / "rules")
    store = EventStore(folder / "events.duckdb")
    try:
        _generate(store)
        plain = _spent(lambda: _scan(store))
        for name, what in _RULES.items():
            value = _spent(lambda name=name: _hunt(store, ruleset, name))  # type: ignore[misc]
            yield Row(
                name=f"one rule over {_DAYS} days, 10 M events: {what}",
                value=value,
                unit="CPU-s",
                budget=2.0,
                limit=plain,
                limit_name="scan of one column",
                lower_is_better=True,
            )
    finally:
        store.close()


def _generate(store: EventStore) -> None:
    width = timedelta(days=_DAYS) // timedelta(microseconds=1)
    begin = (_END - timedelta(days=_DAYS) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    with store.reading() as cursor:
        cursor.execute(_GENERATE, [begin, width // _EVENT_COUNT, _EVENT_COUNT])
        cursor.execute("CHECKPOINT")


def _scan(store: EventStore) -> None:
    with store.reading() as cursor:
        cursor.execute("SELECT count(*) FROM events WHERE contains(message, 'zzz')").fetchall()


def _hunt(store: EventStore, ruleset: Ruleset, name: str) -> None:
    wanted = plan(ruleset, find_rule(ruleset, name).id)
    for _step in hunt(store, wanted, Stretch(Scope(), _END - timedelta(days=_DAYS), _END)):
        pass


def _spent(work: Callable[[], None]) -> float:
    """Processor time of the work: the median of some runs after a first one."""
    work()
    measured = []
    for _ in range(_REPEATS):
        begun = time.process_time()
        work()
        measured.append(time.process_time() - begun)
    return median(measured)
