"""How many matches each filter hid of each rule and in each tenant, added up in the transaction of the batch in which they were hidden.

People are told of their own tenant alone; whoever may read alerts or rules sees every establishment of it.
"""

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
    Column("tenant", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", Instant),
)


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a filter hid of a rule in a tenant: how many matches, and when the last of them happened."""

    filter: str
    rule_id: str
    count: int
    last_at: datetime | None
    tenant: str


def add(connection: Connection, hits: Mapping[tuple[str, str, str], tuple[int, datetime | None]]) -> None:
    """Add to the totals; ``hits`` maps (key of the filter, rule id, tenant) to how many more, and the latest instant."""
    for (key, rule_id, tenant), (count, last_at) in hits.items():
        here = filter_hits.c.filter == key, filter_hits.c.rule_id == rule_id, filter_hits.c.tenant == tenant
        known = connection.execute(select(filter_hits.c.count, filter_hits.c.last_at).where(*here)).one_or_none()
        if known is None:
            connection.execute(insert(filter_hits).values(filter=key, rule_id=rule_id, tenant=tenant, count=count, last_at=last_at))
            continue
        before, before_at = known
        latest = max((at for at in (before_at, last_at) if at is not None), default=None)
        connection.execute(update(filter_hits).where(*here).values(count=before + count, last_at=latest))


def read(connection: Connection, tenant: str | None) -> list[Hidden]:
    """Every total of a tenant by filter and rule; those of all tenants (None) are for the operator alone."""
    query = select(filter_hits).order_by(filter_hits.c.filter, filter_hits.c.rule_id, filter_hits.c.tenant)
    if tenant is not None:
        query = query.where(filter_hits.c.tenant == tenant)
    return [Hidden(**row) for row in connection.execute(query).mappings()]


def total(connection: Connection, tenant: str, filters: Collection[str], rule_ids: Collection[str] | None = None) -> int:
    """How many matches these filters hid in a tenant, of these rules or of any."""
    count = select(func.coalesce(func.sum(filter_hits.c.count), 0)).where(filter_hits.c.tenant == tenant, filter_hits.c.filter.in_(filters))
    if rule_ids is not None:
        count = count.where(filter_hits.c.rule_id.in_(rule_ids))
    return int(connection.execute(count).scalar_one())
