"""FHIR R4 AuditEvent resources, one JSON object a line: who opened which patient's record, and why.

An event that names several patients (the result of a search) becomes one event per patient, so that counting distinct
patients is exact. Professionals are identified as the identity provider does (PS_IdNat: type digit + identifier).

Source: HL7 FHIR R4 AuditEvent; DICOM PS3.16 CID 400 and 401 (audit event codes); ANS, identifier systems of persons;
INS object identifiers 1.2.250.1.213.1.4.8 to .11.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from siem.errors import DataError
from siem.event import Event, Fields, RawRecord
from siem.sources.record import address, event_id, instant, json_of
from siem.sources.source import SourceSettings, Stateless

_BREAK_GLASS_STARTED: Final = "110127"
_BREAK_GLASS_ENDED: Final = "110138"
_EXPORT: Final = "110106"
_QUERY: Final = "110112"
#: Codes of type and subtype (DICOM, FHIR restful-interaction) and the action each stands for; the first that matches wins.
_ACTION_OF_CODE: Final[Mapping[str, str]] = {
    _BREAK_GLASS_STARTED: "break_glass.started",
    _BREAK_GLASS_ENDED: "break_glass.ended",
    _EXPORT: "record.exported",
    "export": "record.exported",
    _QUERY: "record.searched",
    "search": "record.searched",
    "search-type": "record.searched",
    "search-system": "record.searched",
    "read": "record.read",
    "vread": "record.read",
    "history": "record.read",
    "history-instance": "record.read",
    "create": "record.created",
    "update": "record.updated",
    "patch": "record.updated",
    "delete": "record.deleted",
}
_ACTION_OF_LETTER: Final[Mapping[str, str]] = {
    "C": "record.created",
    "R": "record.read",
    "U": "record.updated",
    "D": "record.deleted",
    "E": "record.executed",
}
_TYPE_OF_ACTION: Final[Mapping[str, str]] = {
    "record.created": "creation",
    "record.updated": "change",
    "record.deleted": "deletion",
    "break_glass.started": "start",
    "break_glass.ended": "end",
}
_OUTCOMES: Final[Mapping[str, str]] = {"0": "success", "4": "failure", "8": "failure", "12": "failure"}
_BREAK_GLASS_PURPOSES: Final = frozenset({"BTG", "ETREAT"})
_INS_SYSTEMS: Final = frozenset(f"urn:oid:1.2.250.1.213.1.4.{number}" for number in (8, 9, 10, 11))
_FINESS_SYSTEMS: Final = frozenset({"https://finess.esante.gouv.fr", "http://finess.esante.gouv.fr"})
_RPPS_SYSTEMS: Final = frozenset({"https://rpps.esante.gouv.fr", "http://rpps.esante.gouv.fr"})
_RPPS_DIGITS: Final = 11
_NETWORK_ADDRESS: Final = "2"
_PATIENT_ROLE: Final = "1"
_FINESS: Final = re.compile(r"[0-9][0-9A-Z][0-9]{7}")
#: Last words of the extension that names the session, and of those that hold the number of records.
_SESSION: Final = frozenset({"session", "session-id"})
_COUNT: Final = frozenset({"count", "record-count"})
_MAX_PATIENTS: Final = 1000

Json = Mapping[str, object]


class FhirAuditEvent(Stateless):
    """Turns AuditEvent resources into ``fhir.audit_event`` events."""

    fields: Mapping[str, str] = {
        "event.kind": "always event",
        "event.dataset": "always fhir.audit_event",
        "event.action": "record.read, .searched, .created, .updated, .deleted, .exported, .executed, break_glass.started or .ended",
        "event.category": "database, and session for break-glass",
        "event.type": "access, creation, change, deletion, start or end",
        "event.outcome": "success for outcome 0, failure for 4, 8, 12",
        "event.reason": "outcomeDesc",
        "event.code": "code of the subtype, or of the type where there is none",
        "service.name": "name of the service, from the configuration",
        "user.id": "PS_IdNat of the agent who asked (agent.who.identifier)",
        "source.ip": "agent.network.address, where it is an address",
        "health.patient.pseudonym": "patient (entity.what: INS, else its reference), made a pseudonym before it is stored",
        "health.break_glass": "true for an emergency override, by subtype or by purpose (boolean)",
        "health.access.purpose": "code of purposeOfEvent, or of the agent's purposeOfUse",
        "health.record.count": "number of records concerned (integer): extension or entity detail called count or record-count",
        "health.structure.finess": "FINESS given by source.site, source.observer or an agent, else from the configuration",
        "health.session.id": "session at the identity provider, from the extension session or session-id",
    }

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def parse(self, record: RawRecord) -> Sequence[Event]:
        """One event per patient named, one if none is. Raises DataError naming the element that is wrong."""
        document = json_of(record)
        if isinstance(document.get("message"), str) and "resourceType" not in document:
            document = json_of(record, str(document["message"]))
        if document.get("resourceType") != "AuditEvent":
            raise DataError(record.source, 0, "resourceType", f"AuditEvent expected, not {document.get('resourceType')!r}")
        at = instant(record, "recorded", document.get("recorded"))
        fields = self._described(record, document)
        entities = list(_objects(document.get("entity")))
        patients = list(dict.fromkeys(patient for entity in entities if (patient := _patient(entity))))
        if len(patients) > _MAX_PATIENTS:
            raise DataError(record.source, 0, "entity", f"{len(patients)} patients in one event; at most {_MAX_PATIENTS}")
        if not patients:
            return (Event(event_id(record, at), at, record.source, record.tenant, fields),)
        return tuple(
            Event(event_id(record, at, index), at, record.source, record.tenant, {**fields, "health.patient.pseudonym": patient})
            for index, patient in enumerate(patients)
        )

    def _described(self, record: RawRecord, document: Json) -> Fields:
        codes = [*_codes(document.get("subtype")), *_codes(document.get("type"))]
        action = _action(record, document, codes)
        fields: Fields = {
            "event.kind": "event",
            "event.dataset": "fhir.audit_event",
            "event.action": action,
            "event.category": ["database", "session"] if action.startswith("break_glass") else ["database"],
            "event.type": [_TYPE_OF_ACTION.get(action, "access")],
            "event.outcome": _outcome(record, document),
            "service.name": self._settings.service,
        }
        if codes:
            fields["event.code"] = codes[0]
        agent = _requestor(record, document)
        purposes = [*_codes(document.get("purposeOfEvent")), *_codes(agent.get("purposeOfUse"))]
        if purposes:
            fields["health.access.purpose"] = purposes[0]
        if action == "break_glass.started" or _BREAK_GLASS_PURPOSES.intersection(purposes):
            fields["health.break_glass"] = True
        for name, value in (
            ("event.reason", document.get("outcomeDesc")),
            ("user.id", _professional(record, agent)),
            ("source.ip", _address(agent)),
            ("health.session.id", _extension(document, _SESSION) or _extension(agent, _SESSION)),
            ("health.structure.finess", self._structure(record, document)),
        ):
            if isinstance(value, str) and value:
                fields[name] = value
        if (count := _record_count(record, document)) is not None:
            fields["health.record.count"] = count
        return fields

    def _structure(self, record: RawRecord, document: Json) -> str | None:
        """The establishment the event belongs to. A source speaks for its own and those listed with it, never for another's people."""
        named, own = _finess(document), self._settings.finess
        if named is None or own is None or named == own or named in self._settings.structures:
            return named or own
        problem = f"{named} is not an establishment of this source; add it to structures in the configuration of sources if it is"
        raise DataError(record.source, 0, "source.observer", problem)


def _objects(value: object) -> Iterator[Json]:
    """The objects of a repeating element, whether given as a list or alone."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item


def _is_of(value: object, names: Collection[str]) -> bool:
    """Whether it is one of the texts: what stands there may as well be a list or an object."""
    return isinstance(value, str) and value in names


def _codes(value: object) -> list[str]:
    """Codes of Coding or CodeableConcept elements, in order."""
    found = []
    for element in _objects(value):
        for coding in (element, *_objects(element.get("coding"))):
            code = coding.get("code")
            if isinstance(code, str) and code:
                found.append(code)
    return found


def _action(record: RawRecord, document: Json, codes: Sequence[str]) -> str:
    for code in codes:
        if code in _ACTION_OF_CODE:
            return _ACTION_OF_CODE[code]
    letter = document.get("action")
    if isinstance(letter, str) and letter in _ACTION_OF_LETTER:
        return _ACTION_OF_LETTER[letter]
    raise DataError(
        record.source, 0, "action", f"neither action (C, R, U, D, E) nor subtype says what was done: {letter!r}, {list(codes)[:5]}"
    )


def _outcome(record: RawRecord, document: Json) -> str:
    outcome = document.get("outcome")
    if outcome is None:
        return "unknown"
    if not isinstance(outcome, str) or outcome not in _OUTCOMES:
        raise DataError(record.source, 0, "outcome", f"0, 4, 8 or 12 expected, not {outcome!r}")
    return _OUTCOMES[outcome]


def _requestor(record: RawRecord, document: Json) -> Json:
    agents = list(_objects(document.get("agent")))
    if not agents:
        raise DataError(record.source, 0, "agent", "missing; an AuditEvent names who acted")
    return next((agent for agent in agents if agent.get("requestor") is True), agents[0])


def _identifier(reference: object) -> Json:
    identifier = reference.get("identifier") if isinstance(reference, dict) else None
    return identifier if isinstance(identifier, dict) else {}


def _professional(record: RawRecord, agent: Json) -> str | None:
    identifier = _identifier(agent.get("who"))
    value = identifier.get("value")
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise DataError(record.source, 0, "agent.who.identifier.value", f"a text expected, not {value!r}")
    value = value.strip()
    # An RPPS number alone is the national identifier without its type digit; 8 stands for RPPS (TRE_G08).
    is_rpps = _is_of(identifier.get("system"), _RPPS_SYSTEMS) or "RPPS" in _codes(identifier.get("type"))
    return f"8{value}" if is_rpps and len(value) == _RPPS_DIGITS and value.isdigit() else value


def _address(agent: Json) -> str | None:
    network = agent.get("network")
    if not isinstance(network, dict) or network.get("type", _NETWORK_ADDRESS) != _NETWORK_ADDRESS:
        return None
    text = network.get("address")
    return address(text) if isinstance(text, str) else None


def _patient(entity: Json) -> str | None:
    what = entity.get("what")
    identifier = _identifier(what)
    value = identifier.get("value")
    if _is_of(identifier.get("system"), _INS_SYSTEMS) and isinstance(value, str) and value:
        return value
    if _PATIENT_ROLE not in _codes(entity.get("role")):
        return None
    if isinstance(value, str) and value:
        return value
    reference = what.get("reference") if isinstance(what, dict) else None
    return reference if isinstance(reference, str) and reference else None


def _extension(element: Json, names: Collection[str]) -> str | None:
    for extension in _objects(element.get("extension")):
        url = extension.get("url")
        if isinstance(url, str) and url.replace(":", "/").rpartition("/")[2] in names:
            for key, value in extension.items():
                if key.startswith("value") and isinstance(value, str | int) and not isinstance(value, bool):
                    return str(value)
    return None


def _record_count(record: RawRecord, document: Json) -> int | None:
    text = _extension(document, _COUNT)
    for entity in _objects(document.get("entity")):
        for detail in _objects(entity.get("detail")):
            if text is None and _is_of(detail.get("type"), _COUNT):
                text = str(detail.get("valueString", ""))
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > len("999999999"):
        raise DataError(record.source, 0, "record-count", f"a number of records expected, not {text[:40]!r}")
    return int(text)


def _finess(document: Json) -> str | None:
    source = document.get("source")
    if not isinstance(source, dict):
        source = {}
    site = source.get("site")
    if isinstance(site, str) and _FINESS.fullmatch(site):
        return site
    candidates = [_identifier(source.get("observer"))]
    candidates += [_identifier(agent.get("who")) for agent in _objects(document.get("agent"))]
    for identifier in candidates:
        value = identifier.get("value")
        if _is_of(identifier.get("system"), _FINESS_SYSTEMS) and isinstance(value, str) and _FINESS.fullmatch(value):
            return value
    return None
