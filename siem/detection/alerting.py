"""How the matches of a rule become alerts, as its ``veilleur`` section says: about what, how long one alert lasts, and when to be silent.

=========== ==============================================================================================================
``subject``  the field whose value the alert is about
``group-by`` fields of which each combination of values has alerts of its own (a correlation has its own; by default the subject)
``repeat``   ``1h``: during it a further match joins the same alert
``again``    ``1d``: an alert that goes on is raised anew after it, as another alert (by default never)
``limit``    ``{alerts: 2, within: 1m, silence: 15m, by: [source.ip]}``: once 2 alerts of the same source have begun within a
             minute, what begins in the 15 minutes that follow joins the second, and is counted there; ``none`` lifts the
             watch's own limit. ``by`` are some fields of the group, and all of them where it is not given
=========== ==============================================================================================================

All of it is in event time, so that a replay ends in the same alerts.
"""

import re
from collections.abc import Mapping
from typing import Final

from siem.detection import Limit
from siem.detection.selections import RuleMistake

KEYS: Final = frozenset({"subject", "group-by", "repeat", "again", "limit"})
_LIMIT_KEYS: Final = frozenset({"alerts", "within", "silence", "by"})
_DURATION: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_ALERTS: Final = 10_000


def duration(value: object, *path: str) -> int:
    """Seconds of ``15m``. Raises RuleMistake."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise RuleMistake("a number and a unit (s, m, h, d) are expected, such as 1h", "veilleur", *path)
    return int(found[1]) * _SECONDS[found[2]]


def fields(value: object, *path: str) -> tuple[str, ...]:
    """A list of field names. Raises RuleMistake."""
    if value is None:
        return ()
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise RuleMistake("a list of different fields is expected", "veilleur", *path)
    return tuple(names)


def limit(value: object, group: tuple[str, ...]) -> Limit | None:
    """The limit as written, over the fields of the group. Raises RuleMistake."""
    if value is None:
        return None
    if value == "none":
        return Limit(0, 0, 0)
    if not isinstance(value, Mapping):
        raise RuleMistake("a map such as {alerts: 2, within: 1m, silence: 15m} is expected, or none", "veilleur", "limit")
    for key in value:
        if key not in _LIMIT_KEYS:
            raise RuleMistake(f"unknown key «{key}»; alerts, within, silence and by are expected", "veilleur", "limit", str(key))
    count = value.get("alerts")
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= _MOST_ALERTS:
        raise RuleMistake(f"a number from 1 to {_MOST_ALERTS} is expected", "veilleur", "limit", "alerts")
    within, silence = (duration(value.get(key), "limit", key) for key in ("within", "silence"))
    if not within or not silence:
        raise RuleMistake("within and silence last at least a second", "veilleur", "limit")
    by = fields(value.get("by"), "limit", "by")
    stranger = next((name for name in by if name not in group), None)
    if stranger is not None:
        raise RuleMistake(f"«{stranger}» is not a field of the group ({', '.join(group)})", "veilleur", "limit", "by")
    return Limit(count, within, silence, by)
