"""Documents already in the Elastic Common Schema, nested or flat: from Winlogbeat, Filebeat, Auditbeat, the Elastic agent, Logstash.

Fields that the event table knows must be of its kind, as must each value of a list; others are kept as they are, under their own names.
What only the watch and its own sources may say (``health.*``, the data sets of the identity provider and of health records) is refused.

Source: Elastic, «ECS field reference», version 8.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from siem.accounts import person_of
from siem.errors import DataError
from siem.event import FIELDS, SINGLE, Event, Fields, Kind, RawRecord, Value, text_of
from siem.sources.flatten import flattened, marked, unspaced
from siem.sources.record import address, event_id, instant, json_of, repeated_name
from siem.sources.source import SourceSettings, Stateless

_STRUCTURE: Final = "health.structure.finess"
#: What only a source that checks it may claim.
_OWN_DATASETS: Final = frozenset({"idp.audit", "fhir.audit_event", "caep.event"})
#: Who did it, where no user.id says so: the first that is a person.
_PEOPLE: Final = ("user.name", *(f"winlog.event_data.{name}" for name in ("User", "SubjectUserName", "TargetUserName")))
_LARGEST: Final = 2**63


class Ecs(Stateless):
    """Turns ECS documents into events; any field may be there."""

    open: bool = True
    fields: Mapping[str, str] = {
        name: "as the document says" if not name.startswith("health.") else "establishment, from the configuration"
        for name in FIELDS
        if not name.startswith("health.") or name == _STRUCTURE
    }

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def parse(self, record: RawRecord) -> Sequence[Event]:
        """One event a document. Raises DataError naming the field that is wrong."""
        document = json_of(record)
        at = instant(record, "@timestamp", document.get("@timestamp"))
        given, left_out = flattened({name: value for name, value in document.items() if name != "@timestamp"})
        fields: Fields = {}
        for name, value in given.items():
            if name not in FIELDS:
                if name.startswith("health."):
                    raise DataError(record.source, 0, name, "fields under health are the watch’s own; send it under another name")
                fields[name] = value
            elif (fitting := self._fitting(record, name, value)) is not None:
                fields[name] = fitting
        unspaced(fields, "winlog.event_data.")
        if fields.get("event.dataset") in _OWN_DATASETS:
            raise DataError(record.source, 0, "event.dataset", f"{fields['event.dataset']} is a data set of a source of the watch’s own")
        fields.setdefault("event.kind", "event")
        fields.setdefault("service.name", self._settings.service)
        if self._settings.finess:
            fields[_STRUCTURE] = self._settings.finess
        people = [person for name in _PEOPLE if (person := person_of(text_of(fields.get(name, ""))))]
        if people and "user.id" not in fields:
            fields["user.id"] = people[0]
        return (Event(event_id(record, at), at, record.source, record.tenant, marked(fields, left_out, repeated_name(record, document))),)

    @staticmethod
    def _fitting(record: RawRecord, name: str, value: Value) -> Value | None:
        """The value as the event table keeps it, None for an empty text. Raises DataError."""
        if name.startswith("health."):
            raise DataError(record.source, 0, name, "fields under health are the watch’s own; send it under another name")
        kind = FIELDS[name]
        if kind is Kind.KEYWORDS:
            texts = value if isinstance(value, list) else [text_of(value)]
            return [text for text in texts if text] or None
        values: Sequence[Value] = value if isinstance(value, list) else [value]
        if name in SINGLE and len(values) > 1:
            values = [", ".join(map(text_of, values))]
        fitting = dict.fromkeys(_converted(record, name, one) for one in values if one != "")
        if len(fitting) > 1:
            return [text_of(one) for one in fitting]
        return next(iter(fitting), None)


def _converted(record: RawRecord, name: str, value: Value) -> str | int | float | bool:
    found = _CONVERSIONS[FIELDS[name]](value)
    if found is None:
        raise DataError(record.source, 0, name, f"{FIELDS[name].value} expected, not {text_of(value)[:40]!r}")
    return found


def _integer(value: Value) -> int | None:
    try:
        number = int(text_of(value))
    except ValueError:
        return None
    return number if -_LARGEST <= number < _LARGEST else None


def _number(value: Value) -> float | None:
    try:
        return float(text_of(value))
    except ValueError:
        return None


def _truth(value: Value) -> bool | None:
    return {"true": True, "false": False}.get(text_of(value).lower())


_CONVERSIONS: Final[Mapping[Kind, Callable[[Value], str | int | float | bool | None]]] = {
    Kind.KEYWORD: text_of,
    Kind.TEXT: text_of,
    Kind.INTEGER: _integer,
    Kind.FLOAT: _number,
    Kind.BOOLEAN: _truth,
    Kind.IP: lambda value: address(text_of(value)),
}
