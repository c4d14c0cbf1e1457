"""How often a rule would have fired: a backtest that is asked for, runs by itself, and is found again on its page."""

from datetime import UTC, datetime, time, timedelta
from typing import Final

from starlette.responses import Response

from siem.console import histogram, users
from siem.console.event_view import scope
from siem.console.visit import NotFound, Problem, Visit
from siem.detection import Rule
from siem.history.trials import TooMany, Trial
from siem.incidents.model import Refused
from siem.store.events import Bucket, Search

#: Spans offered, in days; the second is the default.
SPANS: Final = (7, 30, 90, 365)
_DEFAULT: Final = 30
_DAY: Final = timedelta(days=1)
#: At least so many days are drawn.
_LEAST_DAYS_DRAWN: Final = 14


def show(visit: Visit) -> Response:
    """The last backtest of the rule, as it stands, and the form that asks for another."""
    return _page(visit, _rule(visit), visit.query.number("jours") or _DEFAULT)


def act(visit: Visit) -> Response:
    """Ask for a backtest, or end the one that runs."""
    rule, trials, tenant = _rule(visit), visit.services.trials, visit.principal.tenant
    if visit.form.get("action") == "arreter":
        trials.stop(tenant, rule.id)
        return visit.redirect(f"/regles/{rule.id}/essai")
    days = visit.form.number("jours")
    if days not in SPANS:
        raise Problem(400, "unreadable")
    try:
        trials.ask(tenant, rule.id, timedelta(days=days), visit.principal.subject)
    except TooMany:
        raise Refused("essai", visit.language.text("trial.too_many")) from None
    return visit.redirect(f"/regles/{rule.id}/essai")


def _rule(visit: Visit) -> Rule:
    rule = visit.services.rules.get(visit.parameter("id"))
    if rule is None or rule.id not in visit.services.ruleset().alerting:
        raise NotFound
    return rule


def _page(visit: Visit, rule: Rule, days: int) -> Response:
    trials, principal = visit.services.trials, visit.principal
    trial = trials.of(principal.tenant, rule.id)
    counts = {span: visit.services.events.count(Search(scope(principal), from_at=visit.now - timedelta(days=span))) for span in SPANS}
    with visit.reading() as connection:
        names = {person.subject: person.name for person in users.everyone(connection, principal.tenant)}
    return visit.render(
        "trial.html",
        rule=rule,
        trial=trial,
        drawing=_drawing(trial),
        spans=counts,
        chosen=days if days in SPANS else _DEFAULT,
        budget=trials.budget_seconds,
        names=names,
    )


def _drawing(trial: Trial | None) -> histogram.Drawing | None:
    """One bar a day, as high as the alerts that would have begun on it."""
    if trial is None or trial.result is None or not trial.result.days:
        return None
    begins = [datetime.combine(one.day, time(), UTC) for one in trial.result.days]
    counts = [one.alert_count for one in trial.result.days]
    # A bar is a day, never as wide as the page: few days stand at the end of empty ones.
    missing = max(0, _LEAST_DAYS_DRAWN - len(begins))
    begins = [begins[0] - _DAY * n for n in range(missing, 0, -1)] + begins
    counts = [0] * missing + counts
    return histogram.draw([Bucket(begin, begin + _DAY, count) for begin, count in zip(begins, counts, strict=True)])
