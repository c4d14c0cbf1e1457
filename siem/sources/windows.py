"""Windows event logs, one JSON object an event: flat, as NXLog and like collectors write them, or as EVTX files are converted.

The fields keep the names of the event log (``Channel``, ``EventID``, ``Image`` …), which rules use, without the spaces that some have
(``Threat Name``); what has an ECS name is there under that name too. An object under ``Event`` (``System``, ``EventData``, ``UserData``;
attributes under ``#attributes`` or with ``@``) gives the same flat fields.

Source: Microsoft, «Windows Event Schema»; Microsoft Sysinternals, «Sysmon»; the Security log's audit keywords.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from siem.accounts import person_of
from siem.errors import DataError
from siem.event import FIELDS, Event, Fields, RawRecord, text_of
from siem.sources.flatten import flattened, marked, unspaced
from siem.sources.record import address, event_id, instant, json_of, plausible, repeated_name
from siem.sources.source import SourceSettings, Stateless

Json = Mapping[str, object]

#: What collectors call these differently, the first that is there.
_ONE_NAME: Final[Mapping[str, tuple[str, ...]]] = {
    "Channel": ("Channel", "channel", "LogName"),
    "EventID": ("EventID", "EventId", "event_id", "Id"),
    "Computer": ("Computer", "Hostname", "ComputerName", "MachineName", "computer_name"),
    "Provider_Name": ("Provider_Name", "ProviderName", "SourceName", "Provider"),
}
#: Instants of an event, the most exact first; without a zone they are UTC, as the event log writes them.
_INSTANTS: Final = ("SystemTime", "TimeCreated", "@timestamp", "UtcTime")
_DATE: Final = re.compile(r"/Date\((\d{1,15})\)/")
#: Who did it, or to whom it was done: the first that is a person.
_PEOPLE: Final = ("User", "SubjectUserName", "TargetUserName", "SourceUser", "AccountName", "UserName")
_ADDRESSES: Final = ("IpAddress", "SourceIp", "SourceAddress", "ClientAddress")
_AUDIT: Final[Mapping[str, str]] = {
    "0x8020000000000000": "success",
    "-9214364837600034816": "success",
    "audit_success": "success",
    "audit success": "success",
    "0x8010000000000000": "failure",
    "-9218868437227405312": "failure",
    "audit_failure": "failure",
    "audit failure": "failure",
}
_PORTS: Final = range(65_536)
_PORT_LENGTH: Final = len("65535")


class Windows(Stateless):
    """Turns events of Windows into ``windows.eventlog`` events; any field may be there besides these."""

    open: bool = True
    fields: Mapping[str, str] = {
        "event.kind": "always event",
        "event.module": "always windows",
        "event.dataset": "always windows.eventlog",
        "event.provider": "provider of the event",
        "event.code": "EventID, as text",
        "event.outcome": "success or failure, of audits",
        "message": "Message, where the collector renders it",
        "host.name": "computer",
        "service.name": "name of the service, from the configuration",
        "health.structure.finess": "establishment, from the configuration",
        "user.id": "account of the person, without its domain and in small letters, made a pseudonym before it is stored",
        "source.ip": "address of the other side, where it is an address",
        "source.port": "its port (integer)",
        "log.flags": "truncated, where a part of the event was left out",
        "error.message": "what was left out",
    }

    def __init__(self, settings: SourceSettings) -> None:
        self._constant: Fields = {
            "event.kind": "event",
            "event.module": "windows",
            "event.dataset": "windows.eventlog",
            "service.name": settings.service,
        }
        if settings.finess:
            self._constant["health.structure.finess"] = settings.finess

    def parse(self, record: RawRecord) -> Sequence[Event]:
        """One event an object. Raises DataError naming the element that is wrong."""
        document = json_of(record)
        repeated = repeated_name(record, document)
        if isinstance(document.get("message"), str) and "EventID" not in document and "Event" not in document:
            document = json_of(record, str(document["message"]))
        event = document.get("Event")
        if isinstance(event, dict):
            document = _of_evtx(record, event)
        given, left_out = flattened(document)
        # What the watch says itself, an event of Windows cannot: it stays, under another name.
        fields = {f"reported.{name}" if name in FIELDS or name.startswith("health.") else name: value for name, value in given.items()}
        for name, others in _ONE_NAME.items():
            found = next((other for other in others if other in fields), None)
            if found is not None:
                fields[name] = fields.pop(found)
        unspaced(fields)
        if "EventID" not in fields or "Channel" not in fields:
            missing = "EventID" if "EventID" not in fields else "Channel"
            raise DataError(record.source, 0, missing, "missing; an event of Windows says its channel and number")
        at = _at(record, fields)
        fields.pop("@timestamp", None)
        message = text_of(fields.pop("Message", ""))
        fields |= self._constant
        _describe(fields)
        if message:
            fields["message"] = message
        return (Event(event_id(record, at), at, record.source, record.tenant, marked(fields, left_out, repeated)),)


def _describe(fields: Fields) -> None:
    """Add what has an ECS name."""
    fields["event.code"] = text_of(fields["EventID"])
    for name, own in (("event.provider", "Provider_Name"), ("host.name", "Computer")):
        if text := text_of(fields.get(own, "")):
            fields[name] = text
    outcome = next((_AUDIT[key] for name in ("Keywords", "EventType") if (key := text_of(fields.get(name, "")).lower()) in _AUDIT), None)
    if outcome:
        fields["event.outcome"] = outcome
    if people := [person for name in _PEOPLE if (person := person_of(text_of(fields.get(name, ""))))]:
        fields["user.id"] = people[0]
    if addresses := [ip for name in _ADDRESSES if (ip := address(text_of(fields.get(name, ""))))]:
        fields["source.ip"] = addresses[0]
        port = text_of(fields.get("IpPort", fields.get("SourcePort", "")))
        if port.isascii() and port.isdecimal() and len(port) <= _PORT_LENGTH and int(port) in _PORTS:
            fields["source.port"] = int(port)


def _at(record: RawRecord, fields: Fields) -> datetime:
    name = next((name for name in _INSTANTS if fields.get(name)), None)
    if name is None:
        raise DataError(record.source, 0, "TimeCreated", f"missing; one of {', '.join(_INSTANTS)} says when it happened")
    text = text_of(fields[name])
    if date := _DATE.fullmatch(text):
        try:
            at = datetime.fromtimestamp(int(date[1]) / 1000, UTC)
        except (OverflowError, ValueError, OSError):
            at = datetime.max.replace(tzinfo=UTC)
        if plausible(at):
            return at
    try:
        naive = datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        naive = False
    return instant(record, name, f"{text}Z" if naive else text)


def _of_evtx(record: RawRecord, event: Json) -> dict[str, object]:
    """The flat form of a converted EVTX record."""
    system = event.get("System")
    if not isinstance(system, dict):
        raise DataError(record.source, 0, "Event.System", "missing; a converted EVTX record has System and EventData")
    flat: dict[str, object] = {}
    for name, value in system.items():
        attributes = _attributes(value)
        if name == "TimeCreated":
            flat["SystemTime"] = attributes.get("SystemTime", value if isinstance(value, str) else None)
        elif name in ("EventID", "Channel", "Computer") or not attributes:
            flat[name] = _plain(value)
        elif name == "Provider":
            flat |= {f"Provider_{key}": inner for key, inner in attributes.items()}
        else:
            flat |= attributes
    for part in ("EventData", "UserData"):
        _add_data(flat, event.get(part))
    return flat


def _add_data(flat: dict[str, object], data: object) -> None:
    """What the event says: an object; named ``Data`` elements; or, for ``UserData``, an object in one more."""
    if not isinstance(data, dict):
        return
    for name, value in data.items():
        if name in ("#attributes", "@attributes", "xmlns") or name.startswith("@"):
            continue
        named = [one for one in (value if isinstance(value, list) else [value]) if name == "Data" and isinstance(one, dict)]
        if named and all(_name_of(one) for one in named):
            flat |= {_name_of(one): _plain(one) for one in named}
        elif isinstance(value, dict) and not _is_plain(value):
            _add_data(flat, value)
        else:
            flat[name] = _plain(value)


def _name_of(element: Json) -> str:
    return str(_attributes(element).get("Name") or "")


def _attributes(value: object) -> Json:
    if not isinstance(value, dict):
        return {}
    found = value.get("#attributes", value.get("@attributes"))
    return found if isinstance(found, dict) else {key[1:]: inner for key, inner in value.items() if key.startswith("@")}


def _is_plain(value: Json) -> bool:
    """Whether an element holds a text and attributes, nothing nested."""
    return "#text" in value or all(key.startswith(("#", "@")) for key in value)


def _plain(value: object) -> object:
    return value.get("#text") if isinstance(value, dict) and _is_plain(value) else value
