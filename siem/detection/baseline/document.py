"""The ``veilleur.baseline`` section of a rule, read into a plain value.

The language is described for authors in ``docs/baselines.md`` and as a JSON schema in ``rules/schema/baseline.schema.json``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from siem.detection.selections import RuleMistake


class BaselineType(Enum):
    """What a match is compared with."""

    FIRST_SEEN = "first_seen"
    OWN_MEDIAN = "own_median"
    PEER_GROUP = "peer_group"


_MICROSECONDS: Final[Mapping[str, int]] = {"m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
HOUR: Final = _MICROSECONDS["h"]
DAY: Final = _MICROSECONDS["d"]
_PER: Final[Mapping[str, int]] = {"hour": HOUR, "day": DAY}
#: Shorter look-backs are a correlation's work; longer ones outlive what may be kept.
_SHORTEST: Final = HOUR
_LONGEST: Final = 366 * DAY
#: A look-back of more steps than this would make the median dear.
_MAX_STEPS: Final = 366
_MAX_FIELDS: Final = 8

_EVERY: Final = frozenset({"type", "rules", "group-by", "field", "generate"})
_TALLY: Final = frozenset({"per", "minimum", "factor", "floor", "cap"})
_KEYS: Final[Mapping[BaselineType, frozenset[str]]] = {
    BaselineType.FIRST_SEEN: _EVERY | {"lookback", "learning", "fresh"},
    BaselineType.OWN_MEDIAN: _EVERY | _TALLY | {"lookback"},
    BaselineType.PEER_GROUP: _EVERY | _TALLY | {"peers", "percentile"},
}


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline as written; ``references`` are names or ids, still to be resolved. Durations are in microseconds.

    ``fields``: for ``first_seen`` the value (or combination) that is new; for the others what is counted apart (empty: matches are).
    ``per`` is the length of the compared spans; ``minimum`` how many spans of one's own, or peers, there must be to compare with.
    """

    type: BaselineType
    references: tuple[str, ...]
    group_by: tuple[str, ...]
    fields: tuple[str, ...] = ()
    lookback: int = 0
    learning: int = 0
    fresh: int = 0
    per: int = DAY
    minimum: int = 0
    factor: float = 0.0
    floor: float = 0.0
    cap: float | None = None
    peers: tuple[str, ...] = ()
    percentile: float = 50.0
    generate: bool = False

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The fields whose values tell one habit from another."""
        return (*self.group_by, *self.peers)

    def limit(self, usual: float | None) -> float | None:
        """The measure from which it speaks, given what is usual (None: not known); None where nothing can make it speak."""
        limits = [] if usual is None else [max(self.floor, self.factor * usual)]
        if self.cap is not None:
            limits.append(self.cap)
        return min(limits, default=None)


def read_baseline(section: object) -> Baseline:
    """Read a ``baseline`` section. Raises RuleMistake."""
    if not isinstance(section, Mapping):
        raise _mistake("a map is expected")
    kind = _type(section.get("type"))
    unknown = [str(key) for key in section if key not in _KEYS[kind]]
    if unknown:
        known = ", ".join(sorted(_KEYS[kind]))
        raise _mistake(f"unknown key «{unknown[0]}» for {kind.value}; there are {known}", unknown[0])
    references = _texts(section, "rules")
    if not references:
        raise _mistake("at least one rule is expected", "rules")
    generate = section.get("generate", False)
    if not isinstance(generate, bool):
        raise _mistake("true or false is expected", "generate")
    group_by, fields = _texts(section, "group-by"), _texts(section, "field")
    if kind is BaselineType.FIRST_SEEN:
        return _first_seen(section, Baseline(kind, references, group_by, fields, generate=generate))
    return _tally(section, Baseline(kind, references, group_by, fields, generate=generate))


def _first_seen(section: Mapping[object, object], said: Baseline) -> Baseline:
    if not said.fields:
        raise _mistake("the field whose values may be new is expected", "field")
    lookback = _duration(section, "lookback")
    learning = _duration(section, "learning")
    if learning > lookback:
        raise _mistake("learning takes no longer than the lookback", "learning")
    fresh = _duration(section, "fresh") if "fresh" in section else HOUR
    if fresh > lookback:
        raise _mistake("fresh takes no longer than the lookback", "fresh")
    return Baseline(said.type, said.references, said.group_by, said.fields, lookback, learning, fresh, generate=said.generate)


def _tally(section: Mapping[object, object], said: Baseline) -> Baseline:
    if not said.group_by:
        raise _mistake("the field that says whose habit it is, such as user.id, is expected", "group-by")
    per = section.get("per", "day")
    if not isinstance(per, str) or per not in _PER:
        raise _mistake("hour or day is expected", "per")
    lookback = 0
    peers: tuple[str, ...] = ()
    if said.type is BaselineType.OWN_MEDIAN:
        lookback = _duration(section, "lookback")
        if not 0 < lookback // _PER[per] <= _MAX_STEPS:
            raise _mistake(f"from 1 to {_MAX_STEPS} times «per» is expected", "lookback")
    else:
        peers = _texts(section, "peers")
        if not peers:
            raise _mistake("the field whose value peers share, such as health.professional.profession, is expected", "peers")
    floor = _number(section, "floor", 1)
    cap = _number(section, "cap", 1) if "cap" in section else None
    if cap is not None and cap < floor:
        raise _mistake("the cap is not under the floor", "cap")
    percentile = _number(section, "percentile", 0) if "percentile" in section else 50.0
    if percentile > 100:
        raise _mistake("a number from 0 to 100 is expected", "percentile")
    return Baseline(
        said.type,
        said.references,
        said.group_by,
        said.fields,
        lookback,
        per=_PER[per],
        minimum=_whole(section, "minimum"),
        factor=_number(section, "factor", 1),
        floor=floor,
        cap=cap,
        peers=peers,
        percentile=percentile,
        generate=said.generate,
    )


def _mistake(problem: str, *path: str) -> RuleMistake:
    return RuleMistake(problem, "veilleur", "baseline", *path)


def _type(value: object) -> BaselineType:
    try:
        return BaselineType(value)
    except ValueError as error:
        raise _mistake(f"one of {', '.join(kind.value for kind in BaselineType)} is expected", "type") from error


def _texts(section: Mapping[object, object], key: str) -> tuple[str, ...]:
    value = section.get(key)
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str) and one for one in values):
        raise _mistake("a text or a list of texts is expected", key)
    if len(set(values)) != len(values):
        raise _mistake("each is written once", key)
    if key != "rules" and len(values) > _MAX_FIELDS:
        raise _mistake(f"at most {_MAX_FIELDS} are expected", key)
    return tuple(values)


def _duration(section: Mapping[object, object], key: str) -> int:
    value = section.get(key)
    found = re.fullmatch(r"([1-9]\d{0,5})([mhdw])", value, re.ASCII) if isinstance(value, str) else None
    if found is None:
        raise _mistake("a number and a unit (m, h, d, w) are expected, such as 30d", key)
    duration = int(found[1]) * _MICROSECONDS[found[2]]
    if key == "lookback" and not _SHORTEST <= duration <= _LONGEST:
        raise _mistake("from 1h to 366d is expected", key)
    if key == "fresh" and duration > DAY:
        raise _mistake("at most 1d is expected", key)
    return duration


def _number(section: Mapping[object, object], key: str, least: float) -> float:
    value = section.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < 1e15:
        raise _mistake(f"a number of at least {least:g} is expected", key)
    return float(value)


def _whole(section: Mapping[object, object], key: str) -> int:
    value = section.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
        raise _mistake("a whole number of at least 1 is expected", key)
    return value
