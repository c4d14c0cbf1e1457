"""The rules in force: what each looks for, who wrote it, what it found and cost, how often it was wrong, which filters bear on it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from starlette.responses import Response

from siem.console import alarms as alarm_pages
from siem.console import users
from siem.console.visit import NotFound, Visit
from siem.detection import Rule
from siem.detection.filters import Filter
from siem.detection.navigator import coverage, seen
from siem.detection.profile import RuleProfile, UnseenField
from siem.incidents import rule_figures
from siem.incidents.filters import AlertFilter
from siem.incidents.rule_figures import RuleFigures
from siem.store import filter_hits
from siem.store.filter_hits import Hidden

_PER_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule with what became of it. ``profile`` is None until the rule was met; ``unseen`` are fields that no event had, by source."""

    rule: Rule
    figures: RuleFigures
    profile: RuleProfile | None
    unseen: tuple[UnseenField, ...]

    @property
    def last_at(self) -> datetime | None:
        """The last match, in event time: of its alerts, or as the engine counted it where it raises none."""
        known = (self.figures.last_at, self.profile.last_match_at if self.profile else None)
        return max((at for at in known if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class FilterRow:
    """A filter with what it hid. ``state``: active, expired, or unused so far."""

    filter: Filter
    state: str
    count: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What there is to know of every rule, read once for a page."""

    figures: Mapping[str, RuleFigures]
    profiles: Mapping[str, RuleProfile]
    unseen: Sequence[UnseenField]
    hits: Sequence[Hidden] = field(default=())

    def row(self, rule: Rule) -> RuleRow:
        """One rule's part of it."""
        unseen = tuple(one for one in self.unseen if rule.id in one.rule_ids)
        return RuleRow(rule, self.figures.get(rule.id, RuleFigures()), self.profiles.get(rule.id), unseen)


#: Orders of the list: by title, by share of false alerts, by cost, by last match, by alerts.
_ORDERS: Final[Mapping[str, Callable[[RuleRow], str | float]]] = {
    "titre": lambda row: (row.rule.title_fr or row.rule.title).casefold(),
    "fausses": lambda row: -(row.figures.false_share or 0),
    "cout": lambda row: -(row.profile.cpu_seconds if row.profile else 0),
    "alertes": lambda row: -row.figures.alert_count,
    "derniere": lambda row: -(row.last_at.timestamp() if row.last_at else 0),
}


def index(visit: Visit) -> Response:
    """Every rule that raises alerts, with its figures; files that did not load come first, filters last."""
    wanted = visit.query.get("q").casefold()
    ruleset, known = visit.services.ruleset(), _known(visit)
    rules = list(visit.services.rules.values())
    found = [rule for rule in rules if wanted in " ".join((rule.title, rule.title_fr, *rule.techniques, rule.author)).casefold()]
    order = visit.query.get("tri") if visit.query.get("tri") in _ORDERS else "titre"
    rows = sorted((known.row(rule) for rule in found), key=lambda row: (_ORDERS[order](row), row.rule.title))
    number = min(visit.query.number("page") or 1, max(1, -(-len(rows) // _PER_PAGE)))
    return visit.render(
        "rules.html",
        rows=rows[(number - 1) * _PER_PAGE : number * _PER_PAGE],
        total=len(rules),
        errors=ruleset.errors,
        techniques=_techniques(found),
        filters=[_filter_row(one, known.hits, visit.now) for one in ruleset.filters],
        unseen=known.unseen,
        titles={rule.id: rule.title_fr if visit.language.code == "fr" and rule.title_fr else rule.title for rule in rules},
        orders=list(_ORDERS),
        order=order,
        page=number,
        pages=max(1, -(-len(rows) // _PER_PAGE)),
        query=visit.query,
    )


def show(visit: Visit) -> Response:
    """One rule: its figures, its filters, its text as written, and its last alerts."""
    rule = visit.services.rules.get(visit.parameter("id"))
    if rule is None:
        raise NotFound
    alerts = visit.services.incidents.alerts(visit.principal, AlertFilter(rule_id=rule.id, order="latest", limit=10))
    ruleset, known = visit.services.ruleset(), _known(visit)
    with visit.reading() as connection:
        names = {person.subject: person.name for person in users.everyone(connection, visit.principal.tenant)}
    return visit.render(
        "rule.html",
        rule=rule,
        row=known.row(rule),
        alarms=alarm_pages.of_rule(visit, rule.id),
        history=visit.services.incidents.history(visit.principal, "rule", rule.id),
        names=names,
        alerting=rule.id in ruleset.alerting,
        filters=[_filter_row(one, known.hits, visit.now) for one in ruleset.filters_of(rule.id)],
        alerts=alerts.items,
        total=alerts.total,
    )


def layer(visit: Visit) -> Response:
    """A layer for the ATT&CK Navigator: what the rules look for, or with ``quoi=vu`` what they found."""
    rules = list(visit.services.rules.values())
    if visit.query.get("quoi") == "vu":
        with visit.reading() as connection:
            figures = rule_figures.by_rule(connection, visit.principal)
        alerts = {rule_id: (one.alert_count, one.last_at) for rule_id, one in figures.items() if one.last_at is not None}
        made, name = seen(rules, alerts, visit.now), "veilleur-attack-vu.json"
    else:
        made, name = coverage(rules, visit.now), "veilleur-attack-couverture.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(json.dumps(made, ensure_ascii=False, indent=1), media_type="application/json", headers=headers)


def _known(visit: Visit) -> _Known:
    with visit.reading() as connection:
        figures = rule_figures.by_rule(connection, visit.principal)
        hits = filter_hits.read(connection, visit.principal.tenant)
    profiles = visit.services.profiles()
    if profiles is None:
        return _Known(figures, {}, (), hits)
    return _Known(figures, {one.rule_id: one for one in profiles.rules()}, profiles.unseen(), hits)


def _filter_row(one: Filter, hits: Sequence[Hidden], now: datetime) -> FilterRow:
    mine = [hit for hit in hits if hit.filter == one.key]
    count = sum(hit.count for hit in mine)
    state = "expired" if not one.holds_at(now) else "active" if count else "unused"
    return FilterRow(one, state, count, max((hit.last_at for hit in mine if hit.last_at), default=None))


def _techniques(rules: Sequence[Rule]) -> dict[str, int]:
    """How many rules look for each ATT&CK technique. A lit cell does not mean that the technique is covered."""
    counts: dict[str, int] = {}
    for rule in rules:
        for technique in rule.techniques:
            counts[technique] = counts.get(technique, 0) + 1
    return dict(sorted(counts.items()))
