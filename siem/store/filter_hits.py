"""How many matches each filter hid of each rule, added up in the transaction of the batch in which they were hidden."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Integer, String, Table, func, insert, select, update

from siem.store.database import Instant, metadata

filter_hits = Table(
    "filter_hits",
    metadata,
    Column("filter", String(255), primary_key=True),
    Column("rule_id", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", Instant),
)


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a filter hid of a rule: how many matches, and when the last of them happened."""

    filter: str
    rule_id: str
    count: int
    last_at: datetime | None


def add(connection: Connection, hits: Mapping[tuple[str, str], tuple[int, datetime | None]]) -> None:
    """Add to the totals; ``hits`` maps (key of the filter, rule id) to how many more, and the latest instant."""
    for (key, rule_id), (count, last_at) in hits.items():
        here = filter_hits.c.filter == key, filter_hits.c.rule_id == rule_id
        known = connection.execute(select(filter_hits).where(*here)).one_or_none()
        if known is None:
            connection.execute(insert(filter_hits).values(filter=key, rule_id=rule_id, count=count, last_at=last_at))
            continue
        latest = max((at for at in (known.last_at, last_at) if at is not None), default=None)
        connection.execute(update(filter_hits).where(*here).values(count=known[2] + count, last_at=latest))


def read(connection: Connection) -> list[Hidden]:
    """Every total, by filter and rule."""
    rows = connection.execute(select(filter_hits).order_by(filter_hits.c.filter, filter_hits.c.rule_id))
    return [Hidden(row[0], row[1], row[2], row[3]) for row in rows]


def total(connection: Connection, filters: Collection[str], rule_ids: Collection[str] | None = None) -> int:
    """How many matches these filters hid, of these rules or of any."""
    count = select(func.coalesce(func.sum(filter_hits.c.count), 0)).where(filter_hits.c.filter.in_(filters))
    if rule_ids is not None:
        count = count.where(filter_hits.c.rule_id.in_(rule_ids))
    return int(connection.execute(count).scalar_one())
