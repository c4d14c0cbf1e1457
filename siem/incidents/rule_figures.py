"""What became of each rule's alerts: how many, when last, and what people said of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from siem.access import Permission, Principal
from siem.incidents.model import Verdict
from siem.incidents.queries import require, seen_by
from siem.incidents.store import alerts

#: Verdicts that say whether the rule was right; a duplicate and an undetermined alert say nothing of it.
_RIGHT: Final = (Verdict.TRUE_POSITIVE_IMPACT, Verdict.TRUE_POSITIVE_NO_IMPACT, Verdict.LEGITIMATE)


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """Alerts of one rule that a person sees. ``verdicts`` counts those closed, by what was said."""

    alert_count: int = 0
    last_at: datetime | None = None
    verdicts: Mapping[Verdict, int] | None = None

    @property
    def false_count(self) -> int:
        """Alerts closed as false."""
        return (self.verdicts or {}).get(Verdict.FALSE_POSITIVE, 0)

    @property
    def judged_count(self) -> int:
        """Alerts closed with a verdict on the rule: right (true, or legitimate) or false."""
        return self.false_count + sum((self.verdicts or {}).get(verdict, 0) for verdict in _RIGHT)

    @property
    def false_share(self) -> float | None:
        """False alerts among the judged ones, from 0 to 1; None before anybody judged."""
        return self.false_count / self.judged_count if self.judged_count else None


def by_rule(connection: Connection, principal: Principal) -> dict[str, RuleFigures]:
    """Figures of every rule that has raised an alert which this person sees, by rule id."""
    require(principal, Permission.READ_ALERTS)
    query = (
        select(alerts.c.rule_id, alerts.c.verdict, func.count(), func.max(alerts.c.last_at))
        .where(seen_by(principal, alerts), alerts.c.merged_into.is_(None))
        .group_by(alerts.c.rule_id, alerts.c.verdict)
    )
    counts: dict[str, int] = {}
    latest: dict[str, datetime] = {}
    verdicts: dict[str, dict[Verdict, int]] = {}
    for rule_id, verdict, count, last_at in connection.execute(query):
        counts[rule_id] = counts.get(rule_id, 0) + count
        latest[rule_id] = max(latest.get(rule_id, last_at), last_at)
        if verdict:
            verdicts.setdefault(rule_id, {})[Verdict(verdict)] = count
    return {rule_id: RuleFigures(count, latest[rule_id], verdicts.get(rule_id, {})) for rule_id, count in counts.items()}
