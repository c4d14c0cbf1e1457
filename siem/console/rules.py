"""The rules in force: what each looks for, who wrote it under which licence, when it last matched, what did not load."""

from datetime import datetime

from starlette.responses import Response

from siem.console.visit import NotFound, Visit
from siem.detection import Rule
from siem.incidents.filters import AlertFilter


def index(visit: Visit) -> Response:
    """Every rule by technique, with its last match; files that did not load come first."""
    wanted = visit.query.get("q").casefold()
    rules = sorted(visit.services.rules.values(), key=lambda rule: (rule.title_fr or rule.title).casefold())
    if wanted:
        rules = [rule for rule in rules if wanted in " ".join((rule.title, rule.title_fr, *rule.techniques, rule.author)).casefold()]
    return visit.render(
        "rules.html",
        rules=rules,
        total=len(visit.services.rules),
        errors=visit.services.rule_errors,
        matches={rule.id: _matches(visit, rule) for rule in rules},
        techniques=_techniques(rules),
        query=visit.query,
    )


def show(visit: Visit) -> Response:
    """One rule: its text as written, and its last alerts."""
    rule = visit.services.rules.get(visit.parameter("id"))
    if rule is None:
        raise NotFound
    alerts = visit.services.incidents.alerts(visit.principal, AlertFilter(rule_id=rule.id, order="latest", limit=10))
    return visit.render("rule.html", rule=rule, alerts=alerts.items, total=alerts.total)


def _matches(visit: Visit, rule: Rule) -> tuple[int, datetime | None]:
    """How many alerts the rule has raised, and when the last one was."""
    found = visit.services.incidents.alerts(visit.principal, AlertFilter(rule_id=rule.id, order="latest", limit=1))
    return found.total, found.items[0].last_at if found.items else None


def _techniques(rules: list[Rule]) -> dict[str, int]:
    """How many rules look for each ATT&CK technique. A lit cell does not mean that the technique is covered."""
    counts: dict[str, int] = {}
    for rule in rules:
        for technique in rule.techniques:
            counts[technique] = counts.get(technique, 0) + 1
    return dict(sorted(counts.items()))
