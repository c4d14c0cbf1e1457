"""When a rule is silent: which alert holds what begins in its silence. Plain functions over instants of events, no clock and no store."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from siem.detection import Limit

#: No limit at all.
UNLIMITED: Final = Limit(0, 0, 0)


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """What the watch does with alerts: ``limit`` is when a rule that says nothing of it falls silent; after ``half_life`` half of what an
    alert weighs on the risk of a person is left; from ``entity_threshold`` on such a risk makes an incident (0: never).
    """

    limit: Limit = UNLIMITED
    half_life: timedelta = timedelta(hours=72)
    entity_threshold: int = 0


#: No limit; risk that no incident comes of.
PLAIN: Final = AlertPolicy()


def limit_key(tenant: str, rule_id: str, group: Sequence[tuple[str, str]], limit: Limit) -> str:
    """What alerts are counted together under: tenant, rule, and the values of the limit's fields, or of the whole group."""
    by = limit.by or tuple(name for name, _ in group)
    values = sorted((name, value) for name, value in group if name in by)
    return hashlib.sha256(json.dumps([tenant, rule_id, values]).encode()).hexdigest()


def silenced_by(begun: Sequence[tuple[datetime, str]], at: datetime, limit: Limit) -> str | None:
    """The alert in whose silence something begins at ``at``. ``begun`` are the alerts of the same key: when each began, and its id.

    A silence starts with the alert that is the last of ``limit.count`` alerts begun within ``limit.within_seconds``.
    """
    if not limit.count:
        return None
    within, silence = timedelta(seconds=limit.within_seconds), timedelta(seconds=limit.silence_seconds)
    ordered = sorted(begun)
    for place in range(len(ordered) - 1, limit.count - 2, -1):
        start, alert_id = ordered[place]
        if start <= at < start + silence and start - ordered[place - limit.count + 1][0] < within:
            return alert_id
    return None
