"""Risk of a person, a patient, a device or an establishment: what its alerts weigh, halved with time. Plain functions, no store.

An alert weighs what its severity says (:data:`siem.incidents.model.RISK`) at the instant of its last event, half of it one half-life
later. Of one rule about one subject only the alert that weighs most counts, as in an incident: a rule that repeats itself says nothing
new. All instants are those of events, so that a replay ends in the same numbers; and as everything decays alike, the order of two
entities never changes by waiting.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Weight:
    """What one alert weighs, undecayed. ``rule`` and ``subject`` tell what it repeats."""

    alert_id: str
    rule: str
    subject: str
    points: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Share:
    """What an alert contributes at an instant: ``decayed`` is what is left of its weight, ``counted`` what of that counts."""

    weight: Weight
    decayed: float
    counted: float


def left_of(points: float, elapsed: timedelta, half_life: timedelta) -> float:
    """What time leaves of some points; nothing is lost before it began."""
    return float(points * 0.5 ** (max(elapsed, timedelta(0)) / half_life))


def shares(weights: Iterable[Weight], at: datetime, half_life: timedelta) -> list[Share]:
    """What each alert that had happened by ``at`` contributes then, the greatest first."""
    heaviest: dict[tuple[str, str], str] = {}
    ordered = sorted(
        ((left_of(weight.points, at - weight.at, half_life), weight) for weight in weights if weight.at <= at),
        key=lambda pair: (-pair[0], pair[1].alert_id),
    )
    for _, weight in ordered:
        heaviest.setdefault((weight.rule, weight.subject), weight.alert_id)
    return [Share(weight, left, left if heaviest[weight.rule, weight.subject] == weight.alert_id else 0.0) for left, weight in ordered]


def score(weights: Iterable[Weight], at: datetime, half_life: timedelta) -> float:
    """The risk at an instant."""
    return sum(share.counted for share in shares(weights, at, half_life))


def reaching(weights: Sequence[Weight], since: datetime, threshold: int, half_life: timedelta) -> set[str]:
    """The alerts that weigh at least a point at some instant from ``since`` on at which the risk reaches the threshold.

    Risk grows only when an alert happens: those instants are enough.
    """
    found: set[str] = set()
    for instant in sorted({weight.at for weight in weights if weight.at >= since}):
        present = shares(weights, instant, half_life)
        if sum(share.counted for share in present) >= threshold:
            found |= {share.weight.alert_id for share in present if share.decayed >= 1}
    return found
