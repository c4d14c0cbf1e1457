"""The clocks of every duty, from the forms' rules: when each started, when it ends, how it stands now.

``aware_at`` (a person took note) starts legal clocks, not the detection. What follows another step (``sent:notification``) runs from
the moment that step was sent; before that it is shown from that step's own end, as provisional.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from siem.declarations.conditions import Situation
from siem.declarations.durations import Offset, add
from siem.declarations.form import DeadlineRule, Form
from siem.declarations.model import Applicability, Deadline, DeadlineStatus, Dossier, Transmission
from siem.declarations.wording import french


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """What started, and what was sent: ``sent`` maps (form, rule) to the instant it went out."""

    detected_at: datetime
    aware_at: datetime | None = None
    qualified_at: datetime | None = None
    resolved_at: datetime | None = None
    sent: Mapping[tuple[str, str], datetime] = field(default_factory=dict)


def clocks_of(dossier: Dossier, sent: Sequence[Transmission]) -> Clocks:
    """The clocks of a dossier; a step sent twice counts from the first time."""
    first: dict[tuple[str, str], datetime] = {}
    for made in sent:
        key = (made.form_id, made.stage)
        first[key] = min(made.at, first.get(key, made.at))
    ended = dossier.content.values.get("incident.date_fin")
    return Clocks(
        detected_at=dossier.detected_at,
        aware_at=dossier.aware_at,
        qualified_at=dossier.qualified_at,
        resolved_at=datetime.fromisoformat(ended) if isinstance(ended, str) else None,
        sent=first,
    )


_URGENCY: Final = {
    DeadlineStatus.OVERDUE: 0,
    DeadlineStatus.SOON: 1,
    DeadlineStatus.RUNNING: 1,
    DeadlineStatus.WAITING: 2,
    DeadlineStatus.DONE_LATE: 3,
    DeadlineStatus.DONE: 3,
}
_FAR: Final = timedelta(days=36500)


def compute(forms: Sequence[Form], clocks: Clocks, situation: Situation, now: datetime, language: str = "fr") -> tuple[Deadline, ...]:
    """Every clock that applies or may apply, the most urgent first; a duty that does not apply is left out unless it was done."""
    clocks = _with_qualification(clocks, situation)
    deadlines = [_deadline(form, rule, clocks, situation, now, language) for form in forms for rule in form.deadlines]
    kept = [d for d in deadlines if d.applicability is not Applicability.NON or d.done_at is not None]
    return tuple(sorted(kept, key=lambda d: (_URGENCY[d.status], (d.due_at or now + _FAR), d.form_id, d.rule_id)))


def _with_qualification(clocks: Clocks, situation: Situation) -> Clocks:
    """Qualified at an instant nobody gave us: count from when a person took note, which can only be earlier."""
    if clocks.qualified_at is None and "oui" in situation.criteria.values():
        return Clocks(
            detected_at=clocks.detected_at,
            aware_at=clocks.aware_at,
            qualified_at=clocks.aware_at,
            resolved_at=clocks.resolved_at,
            sent=clocks.sent,
        )
    return clocks


def _start(form: Form, rule: DeadlineRule, clocks: Clocks) -> tuple[datetime | None, bool]:
    """When the rule's clock started, and whether that is only supposed."""
    kind, _, before = rule.trigger.partition(":")
    if kind != "sent":
        started: datetime | None = getattr(clocks, kind)
        return started, False
    sent_at = clocks.sent.get((form.form, before))
    if sent_at is not None:
        return sent_at, False
    earlier = next(other for other in form.deadlines if other.id == before)
    start, _ = _start(form, earlier, clocks)
    return (None if start is None else add(start, earlier.after, ZoneInfo(earlier.calendar))), True


def _deadline(form: Form, rule: DeadlineRule, clocks: Clocks, situation: Situation, now: datetime, language: str) -> Deadline:
    started_at, provisional = _start(form, rule, clocks)
    due_at = None if started_at is None else add(started_at, rule.after, ZoneInfo(rule.calendar))
    done_at = clocks.sent.get((form.form, rule.id))
    status = _status(rule, due_at, done_at, now, waiting=provisional)
    running = status in (DeadlineStatus.RUNNING, DeadlineStatus.SOON, DeadlineStatus.OVERDUE)
    return Deadline(
        form_id=form.form,
        rule_id=rule.id,
        authority=form.authority.name.text(language),
        label=rule.label.text(language),
        force=rule.force,
        due_word=rule.word.text(language) if rule.word else offset_text(rule.after, language),
        legal_basis=french(rule.legal_basis),
        applicability=_applicability(form, rule, situation),
        started_at=started_at,
        due_at=due_at,
        done_at=done_at,
        remaining=due_at - now if running and due_at is not None else None,
        provisional=provisional,
        status=status,
    )


def _applicability(form: Form, rule: DeadlineRule, situation: Situation) -> Applicability:
    parts = [form.applies.evaluate(situation)] + ([rule.when.evaluate(situation)] if rule.when else [])
    for answer in (Applicability.NON, Applicability.A_CONFIRMER):
        if answer in parts:
            return answer
    return Applicability.OUI


def _status(rule: DeadlineRule, due_at: datetime | None, done_at: datetime | None, now: datetime, *, waiting: bool) -> DeadlineStatus:
    if done_at is not None:
        return DeadlineStatus.DONE_LATE if due_at is not None and done_at > due_at else DeadlineStatus.DONE
    if due_at is None or waiting:
        return DeadlineStatus.WAITING
    if now > due_at:
        return DeadlineStatus.OVERDUE
    return DeadlineStatus.SOON if due_at - now <= rule.warning else DeadlineStatus.RUNNING


def offset_text(offset: Offset, language: str = "fr") -> str:
    """``72 h``, ``7 jours``, ``1 mois``."""
    if offset.months:
        return f"{offset.months} mois" if language != "en" else f"{offset.months} month{'s' if offset.months > 1 else ''}"
    hours, rest = divmod(int(offset.elapsed.total_seconds()), 3600)
    if rest:
        return f"{hours * 60 + rest // 60} min"
    if hours % 24 or hours <= 72:
        return f"{hours} h"
    return f"{hours // 24} {'days' if language == 'en' else 'jours'}"
