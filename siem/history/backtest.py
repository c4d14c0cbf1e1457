"""How often a rule would have fired: its detections over history, folded into alerts as the watch would have, by day and by subject."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from siem.detection import Detection
from siem.history.hunt import How, Plan, Step, Stretch, hunt
from siem.incidents.alerting import rhythm_of
from siem.store.events import EventStore
from siem.store.scan import first_at

#: Subjects named in a backtest; the others are only counted.
_SUBJECTS_SHOWN: Final = 10
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC): alerts that would have begun on it, and the detections behind them."""

    day: date
    alert_count: int
    detection_count: int


@dataclass(frozen=True, slots=True)
class Subject:
    """One value that the rule groups by, or its subject, and how many alerts would have been about it."""

    values: tuple[tuple[str, str], ...]
    alert_count: int
    detection_count: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """A rule over a stretch of history, ``from_at`` to ``to_at``: what was looked at, and what it would have raised.

    ``alerts_per_day`` is over the days that history covers, which may be fewer than were asked for. ``complete`` is false when it
    was stopped: the figures then end at ``to_at``. ``days`` has a line for every day of the stretch, those without an alert too.
    """

    rule_id: str
    rule_title: str
    rule_author: str
    rule_licence: str
    level: str
    how: How
    from_at: datetime | None
    to_at: datetime | None
    looked_count: int
    candidate_count: int
    detection_count: int
    event_count: int
    alert_count: int
    alerts_per_day: float
    days: tuple[Day, ...]
    subjects: tuple[Subject, ...]
    subject_count: int
    lost_count: int
    complete: bool


class Tally:
    """Counts detections as they come and folds them into alerts: one more within the rule's repeat window is the same alert."""

    def __init__(self, wanted: Plan, stretch: Stretch) -> None:
        self._wanted = wanted
        self._stretch = stretch
        self._rhythm = rhythm_of(wanted.rule)
        self._begun_at: dict[tuple[tuple[str, str], ...], datetime] = {}
        self._last_at: dict[tuple[tuple[str, str], ...], datetime] = {}
        self._alert_days: Counter[date] = Counter()
        self._detection_days: Counter[date] = Counter()
        self._alerts: Counter[tuple[tuple[str, str], ...]] = Counter()
        self._detections: Counter[tuple[tuple[str, str], ...]] = Counter()
        self._reached_at: datetime | None = None
        self.looked_count = self.candidate_count = self.event_count = self.lost_count = 0

    def add(self, step: Step) -> None:
        """Count what a step found."""
        self.looked_count += step.looked_count
        self.candidate_count += step.candidate_count
        self.lost_count += step.lost_count
        self._reached_at = step.reached_at
        for detection in step.detections:
            self._count(detection)

    def _count(self, detection: Detection) -> None:
        key = detection.group
        last = self._last_at.get(key)
        if last is None or not self._rhythm.joins((self._begun_at[key], last), (detection.first_at, detection.last_at)):
            self._begun_at[key] = detection.first_at
            self._alerts[key] += 1
            self._alert_days[detection.first_at.astimezone(UTC).date()] += 1
        self._last_at[key] = detection.last_at if last is None else max(last, detection.last_at)
        self._detections[key] += 1
        self._detection_days[detection.first_at.astimezone(UTC).date()] += 1
        self.event_count += len(detection.event_ids)

    def result(self, first_at: datetime | None, *, complete: bool) -> Backtest:
        """The figures so far. ``first_at`` is the oldest event of the stretch: history that is not there does not count as quiet."""
        asked_from, asked_to = self._stretch.from_at, self._stretch.to_at
        from_at = max(filter(None, (asked_from, first_at)), default=None)
        to_at = asked_to if complete and asked_to is not None else self._reached_at
        span = to_at - from_at if from_at is not None and to_at is not None else timedelta(0)
        alert_count = self._alerts.total()
        busiest = sorted(self._alerts, key=lambda key: (-self._alerts[key], -self._detections[key], key))[:_SUBJECTS_SHOWN]
        rule = self._wanted.rule
        return Backtest(
            rule_id=rule.id,
            rule_title=rule.title,
            rule_author=rule.author,
            rule_licence=rule.licence,
            level=rule.level,
            how=self._wanted.how,
            from_at=from_at,
            to_at=to_at,
            looked_count=self.looked_count,
            candidate_count=self.candidate_count,
            detection_count=self._detections.total(),
            event_count=self.event_count,
            alert_count=alert_count,
            alerts_per_day=alert_count / max(span / _DAY, 1.0),
            days=self._days(from_at, to_at),
            subjects=tuple(Subject(key, self._alerts[key], self._detections[key]) for key in busiest),
            subject_count=len(self._alerts),
            lost_count=self.lost_count,
            complete=complete,
        )

    def _days(self, from_at: datetime | None, to_at: datetime | None) -> tuple[Day, ...]:
        counted = [*self._detection_days]
        if from_at is not None and to_at is not None:
            counted += [from_at.astimezone(UTC).date(), (to_at - timedelta(microseconds=1)).astimezone(UTC).date()]
        if not counted:
            return ()
        first, last = min(counted), max(counted)
        every = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return tuple(Day(day, self._alert_days[day], self._detection_days[day]) for day in every)


def backtest(
    events: EventStore,
    wanted: Plan,
    stretch: Stretch,
    *,
    on_step: Callable[[Step], None] = lambda _step: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Backtest:
    """Run a rule over history and say how often it would have fired. Nothing is stored, no alert is raised.

    ``on_step`` hears of the progress; once ``stopped`` says so, the figures up to there are returned. Raises as :func:`hunt`.
    """
    tally = Tally(wanted, stretch)
    complete = True
    for step in hunt(events, wanted, stretch):
        tally.add(step)
        on_step(step)
        if stopped():
            complete = False
            break
    return tally.result(first_at(events, stretch.scope), complete=complete)
