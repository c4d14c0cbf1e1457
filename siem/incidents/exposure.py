"""Risk by entity, kept up to date inside the caller's transaction, explained, and turned into incidents where it runs high.

One row per entity holds its risk at the instant of its last alert; the decisions are in :mod:`.risk`. A risk that reaches its threshold
makes an incident of the alerts behind it even where days lie between them, which the window of :mod:`.grouping` would not link.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log2
from typing import Final

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, or_, select

from siem.access import WATCH, Permission, Principal
from siem.incidents.correlation import DISMISSED, Policy, attach, merge, open_incident, regroup
from siem.incidents.grouping import risk_of
from siem.incidents.model import DEVICE, PATIENT, STRUCTURE, USER, Alert, IncidentState, Severity
from siem.incidents.queries import require
from siem.incidents.risk import Share, Weight, left_of, reaching, score, shares
from siem.incidents.store import alert_entities, alerts, entities_of, entity_risks, incidents, to_alert

#: Kinds that have a risk of their own.
KINDS: Final = (USER, PATIENT, DEVICE, STRUCTURE)
#: Kinds whose risk makes an incident. Many people share an establishment, and a patient's risk is that of all who treat them.
_OPENING: Final = (USER, DEVICE)
#: After so many half-lives a thousandth is left.
_HORIZON: Final = 10
_SMALLEST: Final = 0.5
_AT_ONCE: Final = 400


@dataclass(frozen=True, slots=True)
class Exposure:
    """The risk of one entity now; ``at`` and ``score_then`` are its last alert's instant and the risk then."""

    kind: str
    value: str
    score: float
    at: datetime
    score_then: float
    alert_count: int


@dataclass(frozen=True, slots=True)
class Explained:
    """An entity's risk, alert by alert."""

    exposure: Exposure
    alerts: tuple[tuple[Alert, Share], ...]


Entity = tuple[str, str, str]

_FORGOTTEN: Final = delete(entity_risks).where(
    entity_risks.c.tenant == bindparam("of_tenant"),
    entity_risks.c.kind == bindparam("of_kind"),
    entity_risks.c.value == bindparam("of_value"),
)


def refresh(conn: Connection, alert_ids: Iterable[str], policy: Policy, now: datetime) -> list[str]:
    """Recompute the risk of everything these alerts are about. Returns the incidents that a risk touched, new ones among them."""
    changed = sorted(set(alert_ids))
    since: dict[Entity, datetime] = {}
    for start in range(0, len(changed), _AT_ONCE):
        part = changed[start : start + _AT_ONCE]
        query = (
            select(alerts.c.tenant, alert_entities.c.kind, alert_entities.c.value, func.min(alerts.c.last_at))
            .join(alerts, alerts.c.id == alert_entities.c.alert_id)
            .where(alert_entities.c.alert_id.in_(part), alert_entities.c.kind.in_(KINDS))
            .group_by(alerts.c.tenant, alert_entities.c.kind, alert_entities.c.value)
        )
        for tenant, kind, value, first in conn.execute(query):
            entity = (tenant, kind, value)
            since[entity] = min(since.get(entity, first), first)
    rows = _rows(conn, since, policy.half_life)
    _keep(conn, {entity: [_weight(row) for row in found] for entity, found in rows.items()}, policy.half_life)
    if not policy.entity_threshold:
        return []
    reached = {entity: _reached(found, since[entity], policy) for entity, found in rows.items() if entity[1] in _OPENING}
    touched: list[str] = []
    for _, ids in sorted(reached.items()):
        if _is_news(conn, ids):
            _settle(conn, ids, policy, now)
            # What is linked to an alert of an incident belongs to it, also where the alert came into it this way.
            touched.extend(regroup(conn, sorted(ids), policy, now)[0])
    return list(dict.fromkeys(touched))


def _reached(found: Sequence[RowMapping], since: datetime, policy: Policy) -> set[str]:
    open_ones = [_weight(row) for row in found if row["incident_state"] != IncidentState.CLOSED]
    return reaching(open_ones, since, policy.entity_threshold, policy.half_life)


def _rows(conn: Connection, since: Mapping[Entity, datetime], half_life: timedelta) -> dict[Entity, list[RowMapping]]:
    """The alerts that still weigh on each entity, whatever a person did not dismiss."""
    found: dict[Entity, list[RowMapping]] = {entity: [] for entity in since}
    by_kind: dict[tuple[str, str], list[str]] = {}
    for tenant, kind, value in since:
        by_kind.setdefault((tenant, kind), []).append(value)
    for (tenant, kind), values in by_kind.items():
        for start in range(0, len(values), _AT_ONCE):
            part = values[start : start + _AT_ONCE]
            earliest = min(since[tenant, kind, value] for value in part) - _HORIZON * half_life
            query = (
                select(alerts, alert_entities.c.value.label("entity"), incidents.c.state.label("incident_state"))
                .join(alert_entities, alert_entities.c.alert_id == alerts.c.id)
                .outerjoin(incidents, incidents.c.id == alerts.c.incident_id)
                .where(
                    alert_entities.c.kind == kind,
                    alert_entities.c.value.in_(part),
                    alerts.c.tenant == tenant,
                    alerts.c.merged_into.is_(None),
                    alerts.c.last_at >= earliest,
                    or_(alerts.c.verdict.is_(None), alerts.c.verdict.not_in(DISMISSED)),
                )
            )
            for row in conn.execute(query).mappings():
                found[tenant, kind, row["entity"]].append(row)
    return found


def _weight(row: RowMapping) -> Weight:
    points = risk_of(Severity(row["severity"]), watched=bool(row["watched"]))
    return Weight(row["id"], row["rule_id"], row["subject"], points, row["last_at"])


def _keep(conn: Connection, weights: Mapping[Entity, Sequence[Weight]], half_life: timedelta) -> None:
    """Write the risks down, all in two statements: an alert may be about hundreds of patients."""
    kept: list[dict[str, object]] = []
    for (tenant, kind, value), found in weights.items():
        at = max((weight.at for weight in found), default=None)
        risk = score(found, at, half_life) if at else 0.0
        if at is None or risk < _SMALLEST:
            continue
        # The logarithm at a common instant: the same order at every instant, since all decay alike.
        rank = log2(risk) + at.timestamp() / half_life.total_seconds()
        seconds = int(half_life.total_seconds())
        row = {"score": risk, "at": at, "rank": rank, "alert_count": len(found), "half_life_seconds": seconds}
        kept.append({"tenant": tenant, "kind": kind, "value": value, **row})
    if weights:
        conn.execute(_FORGOTTEN, [{"of_tenant": tenant, "of_kind": kind, "of_value": value} for tenant, kind, value in weights])
    if kept:
        conn.execute(insert(entity_risks), kept)


def _is_news(conn: Connection, alert_ids: set[str]) -> bool:
    """Whether these alerts are not all in one incident already."""
    if not alert_ids:
        return False
    held = set(conn.scalars(select(alerts.c.incident_id).where(alerts.c.id.in_(sorted(alert_ids))).distinct()))
    return held == {None} or len(held) > 1


def _settle(conn: Connection, alert_ids: set[str], policy: Policy, now: datetime) -> None:
    ids = sorted(alert_ids)
    held = sorted(each for each in conn.scalars(select(alerts.c.incident_id).where(alerts.c.id.in_(ids)).distinct()) if each)
    incident_id = merge(conn, held, policy, now, WATCH.subject) if held else open_incident(conn, ids, policy, now, WATCH.subject)
    attach(conn, incident_id, ids, policy, now, WATCH.subject)


def rebuild(conn: Connection, policy: Policy, now: datetime) -> int:
    """Compute every risk anew where the half-life has changed, or nothing is kept yet; how many entities. Opens no incident."""
    seconds = int(policy.half_life.total_seconds())
    kept = set(conn.scalars(select(entity_risks.c.half_life_seconds).distinct()))
    newest = conn.scalar(select(func.max(alerts.c.last_at)))
    if kept == {seconds} or newest is None:
        return 0
    conn.execute(delete(entity_risks))
    recent = select(alerts.c.id).where(alerts.c.last_at >= newest - _HORIZON * policy.half_life, alerts.c.merged_into.is_(None))
    quiet = Policy(policy.threshold, policy.window, policy.networks, policy.half_life, 0)
    refresh(conn, list(conn.scalars(recent)), quiet, now)
    return conn.scalar(select(func.count()).select_from(entity_risks)) or 0


def ranked(
    conn: Connection, principal: Principal, half_life: timedelta, now: datetime, *, kind: str = "", limit: int = 100
) -> list[Exposure]:
    """The entities at greatest risk. A sum over all establishments is for those who see them all; others get none."""
    require(principal, Permission.READ_ALERTS)
    if not principal.sees(None, principal.tenant):
        return []
    query = select(entity_risks).where(entity_risks.c.tenant == principal.tenant)
    if kind:
        query = query.where(entity_risks.c.kind == kind)
    rows = conn.execute(query.order_by(entity_risks.c.rank.desc(), entity_risks.c.value).limit(limit)).mappings()
    return [_exposure(row, half_life, now) for row in rows]


def of_entities(
    conn: Connection, principal: Principal, entities: Mapping[str, Sequence[str]], half_life: timedelta, now: datetime
) -> list[Exposure]:
    """The risk of what an alert or incident is about, the greatest first."""
    require(principal, Permission.READ_ALERTS)
    if not principal.sees(None, principal.tenant):
        return []
    found: list[Exposure] = []
    for kind in KINDS:
        values = list(entities.get(kind, ()))[:_AT_ONCE]
        query = select(entity_risks).where(
            entity_risks.c.tenant == principal.tenant, entity_risks.c.kind == kind, entity_risks.c.value.in_(values)
        )
        found.extend(_exposure(row, half_life, now) for row in conn.execute(query).mappings())
    return sorted(found, key=lambda one: (-one.score, one.kind, one.value))


def explained(conn: Connection, principal: Principal, kind: str, value: str, half_life: timedelta, now: datetime) -> Explained | None:
    """Which alerts an entity's risk comes from, and how much each; None where it has none, or the person may not see it."""
    require(principal, Permission.READ_ALERTS)
    here = entity_risks.c.tenant == principal.tenant, entity_risks.c.kind == kind, entity_risks.c.value == value
    kept = conn.execute(select(entity_risks).where(*here)).mappings().first()
    if kept is None or not principal.sees(None, principal.tenant):
        return None
    entity = (principal.tenant, kind, value)
    rows = _rows(conn, {entity: kept["at"]}, half_life)[entity]
    by_id = {row["id"]: row for row in rows}
    entities = entities_of(conn, list(by_id))
    parts = shares([_weight(row) for row in rows], max(now, kept["at"]), half_life)
    told = tuple((to_alert(by_id[share.weight.alert_id], entities.get(share.weight.alert_id, {})), share) for share in parts)
    return Explained(_exposure(kept, half_life, now), told)


def _exposure(row: RowMapping, half_life: timedelta, now: datetime) -> Exposure:
    left = left_of(row["score"], now - row["at"], half_life)
    return Exposure(row["kind"], row["value"], left, row["at"], row["score"], row["alert_count"])
