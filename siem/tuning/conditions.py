"""What false alerts share and true ones have not: the smallest set of field = value. Plain functions, no store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from siem.event import Fields

#: Fields a filter may speak of: circumstances that come again. The first ones say most about where something comes from.
TUNABLE: Final = (
    "source.ip",
    "user_agent.original",
    "health.relying_party.id",
    "health.actor.id",
    "health.device.id",
    "service.name",
    "health.professional.profession",
    "user.roles",
    "health.access.purpose",
    "health.structure.finess",
    "health.authentication.method",
    "health.authentication.acr",
    "health.grant.type",
    "health.scope",
    "url.path",
    "http.request.method",
    "http.request.referrer",
    "http.response.status_code",
    "source.geo.country_iso_code",
    "source.geo.city_name",
    "event.reason",
    "event.code",
    "event.action",
    "event.outcome",
    "user.id",  # last: what hides a person also hides whoever takes their account
)
#: The same in events whose fields keep the names of what wrote them: of Windows, and of ECS beyond the event table.
TUNABLE_ELSEWHERE: Final = (
    *("ParentImage", "process.parent.executable", "Image", "process.executable", "ParentCommandLine", "process.parent.command_line"),
    *("CommandLine", "process.command_line", "OriginalFileName", "process.pe.original_file_name", "Hashes", "ImageLoaded", "dll.path"),
    *("TargetFilename", "file.path", "TargetObject", "registry.path", "ServiceName", "ServiceFileName", "TaskName", "ScriptBlockText"),
    *("IpAddress", "DestinationIp", "destination.ip", "DestinationPort", "destination.port", "LogonType", "Status", "SubStatus"),
    *("Computer", "host.name", "Provider_Name", "SubjectUserName", "TargetUserName", "User", "user.name"),
)
#: More conditions than this describe the alerts, not what they have in common.
MOST_CONDITIONS: Final = 3
#: Pairs looked at; those that cover most false alerts come first.
_MOST_PAIRS: Final = 40
_LONGEST_VALUE: Final = 400
_RANK: Final = {name: place for place, name in enumerate(dict.fromkeys((*TUNABLE[:-1], *TUNABLE_ELSEWHERE, TUNABLE[-1])))}

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Condition:
    """A field has this value; of a field that holds a list, one of its values is this."""

    field: str
    value: Scalar

    def holds(self, fields: Fields) -> bool:
        """Whether an event meets it."""
        found = fields.get(self.field)
        if isinstance(found, list):
            return self.value in found
        return found == self.value and isinstance(found, bool) is isinstance(self.value, bool)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A condition, the false alerts all of whose events meet it, and the true events that meet it, as bits."""

    condition: Condition
    covers: int
    meets: int


def smallest(false: Sequence[Sequence[Fields]], true: Sequence[Sequence[Fields]], *, asked: Iterable[str] = ()) -> tuple[Condition, ...]:
    """The conditions that every event of as many false alerts as possible meets together, and no event of a true alert.

    Each alert is given as its events. Of the sets that cover as much the smallest is taken, then the one about the more telling fields.
    ``asked`` are fields that the rule itself asks for: what they hold is what is looked for, and not taken unless true alerts show
    that it differs. Empty where nothing of at most :data:`MOST_CONDITIONS` conditions tells them apart.
    """
    pairs = _pairs(false, [event for alert in true for event in alert])
    if not true:
        passed_over = set(asked)
        pairs = [pair for pair in pairs if pair.condition.field not in passed_over]
    best: tuple[Condition, ...] = ()
    covered = 0
    for size in range(1, MOST_CONDITIONS + 1):
        for chosen in combinations(pairs, size):
            covers, meets = chosen[0].covers, chosen[0].meets
            for pair in chosen[1:]:
                covers &= pair.covers
                meets &= pair.meets
            if not meets and covers.bit_count() > covered:
                best, covered = tuple(pair.condition for pair in chosen), covers.bit_count()
        if covered == len(false):
            break
    return best


def _pairs(false: Sequence[Sequence[Fields]], true_events: Sequence[Fields]) -> list[_Pair]:
    covers: dict[Condition, int] = {}
    for place, events in enumerate(false):
        if not events:
            continue
        shared = set(_conditions(events[0]))
        for fields in events[1:]:
            shared = {condition for condition in shared if condition.holds(fields)}
        for condition in shared:
            covers[condition] = covers.get(condition, 0) | 1 << place
    pairs = [
        _Pair(condition, bits, sum(1 << place for place, fields in enumerate(true_events) if condition.holds(fields)))
        for condition, bits in covers.items()
    ]
    pairs.sort(key=lambda pair: (-pair.covers.bit_count(), _RANK[pair.condition.field], str(pair.condition.value)))
    return pairs[:_MOST_PAIRS]


def _conditions(fields: Fields) -> Iterable[Condition]:
    for name in _RANK:
        value = fields.get(name)
        for one in value if isinstance(value, list) else [] if value is None else [value]:
            if not isinstance(one, str) or 0 < len(one) <= _LONGEST_VALUE:
                yield Condition(name, one)
