"""Security events of an identity provider (RFC 8417) in the words of CAEP, as signed tokens.

A record is one token, already verified at the door (:mod:`siem.inputs.security_events`), which takes nothing else for such a source; it is
kept signed, so that whoever doubts an event can verify it again. Each member of ``events`` is an event; one of a type that is not known
here is kept too, under its own name.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from siem.errors import DataError
from siem.event import Event, Fields, RawRecord
from siem.sources.record import event_id, json_of, plausible
from siem.sources.source import SourceSettings, Stateless

_DATASET: Final = "caep.event"
_CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/"
#: The action, ECS categories and types of each event type that is known.
_KNOWN: Final[Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]]] = {
    f"{_CAEP}session-revoked": ("caep.session_revoked", ("authentication", "session"), ("end",)),
    f"{_CAEP}session-established": ("caep.session_established", ("authentication", "session"), ("start",)),
    f"{_CAEP}session-presented": ("caep.session_presented", ("authentication", "session"), ("info",)),
    f"{_CAEP}token-claims-change": ("caep.token_claims_changed", ("iam",), ("change",)),
    f"{_CAEP}credential-change": ("caep.credential_changed", ("iam",), ("change",)),
    f"{_CAEP}assurance-level-change": ("caep.assurance_level_changed", ("iam",), ("change",)),
    f"{_CAEP}device-compliance-change": ("caep.device_compliance_changed", ("configuration",), ("change",)),
    "https://schemas.openid.net/secevent/ssf/event-type/verification": ("caep.stream_verified", ("configuration",), ("info",)),
    "https://schemas.openid.net/secevent/ssf/event-type/stream-updated": ("caep.stream_updated", ("configuration",), ("change",)),
}
_UNKNOWN: Final = ("caep.unknown", ("configuration",), ("info",))
#: A subject as Keycloak writes it ends in the national identifier: f:<storage uuid>:<identifier>.
_KEYCLOAK_SUBJECT: Final = re.compile(r"f:[0-9a-fA-F-]{36}:([0-9][A-Za-z0-9/]{5,40})")
_LONGEST: Final = 500


class Caep(Stateless):
    """Turns security event tokens into ``caep.event`` events."""

    fields: Mapping[str, str] = {
        "event.kind": "always event",
        "event.dataset": "always caep.event",
        "event.provider": "issuer that signed it",
        "event.action": "what happened: caep.session_revoked, caep.credential_changed …, or caep.unknown",
        "event.code": "the event type, as sent",
        "event.category": "ECS categories of the action",
        "event.type": "ECS types of the action",
        "event.outcome": "always success",
        "event.reason": "what changed and why, as the issuer says it, with who made it happen",
        "service.name": "name of the provider, from the configuration",
        "health.structure.finess": "establishment, from the configuration",
        "user.id": "national identifier of the professional where the subject holds it, otherwise the subject",
        "health.session.id": "session concerned",
        "health.token.id": "jti of the security event token",
    }

    def __init__(self, settings: SourceSettings) -> None:
        self._constant: Fields = {"event.kind": "event", "event.dataset": _DATASET, "event.outcome": "success"}
        self._constant["service.name"] = settings.service
        if settings.finess:
            self._constant["health.structure.finess"] = settings.finess

    def parse(self, record: RawRecord) -> Sequence[Event]:
        """One event for each member of ``events``. Raises DataError, naming the claim, for what is no security event token."""
        claims = _claims(record)
        told = claims.get("events")
        if not isinstance(told, dict) or not told:
            raise DataError(record.source, 0, "events", "an object with at least one event expected")
        common: Fields = {**self._constant, **_subject(claims.get("sub_id"))}
        for name, claim in (("event.provider", "iss"), ("health.token.id", "jti")):
            common[name] = _text(record, claim, claims.get(claim))
        return [self._event(record, claims, common, index, name, payload) for index, (name, payload) in enumerate(told.items())]

    def _event(self, record: RawRecord, claims: Mapping[str, object], common: Fields, index: int, name: str, payload: object) -> Event:
        said = payload if isinstance(payload, dict) else {}
        known, claim = (said, "event_timestamp") if "event_timestamp" in said else (claims, "iat")
        at = _instant(record, claim, known.get(claim))
        action, category, kind = _KNOWN.get(name, _UNKNOWN)
        fields: Fields = {
            **common,
            "event.action": action,
            "event.code": _text(record, "events", name),
            "event.category": list(category),
            "event.type": list(kind),
        }
        if reason := _reason(said):
            fields["event.reason"] = reason
        return Event(event_id(record, at, index), at, record.source, record.tenant, fields)


def _claims(record: RawRecord) -> Mapping[str, object]:
    parts = record.data.strip().split(b".")
    if len(parts) != 3:
        raise DataError(record.source, 0, "", "a signed security event token expected: three parts between dots")
    try:
        payload = base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))
    except ValueError:
        raise DataError(record.source, 0, "", "the payload is not base64url") from None
    return json_of(record, payload)


def _text(record: RawRecord, claim: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise DataError(record.source, 0, claim, f"a text of 1 to {_LONGEST} characters expected")
    return value


def _instant(record: RawRecord, claim: str, value: object) -> datetime:
    """A NumericDate (RFC 7519 §2)."""
    try:
        at = datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError, OSError):
        at = None
    if at is None or not plausible(at):
        raise DataError(record.source, 0, claim, "seconds since 1970 expected")
    return at


def _subject(sub_id: object) -> Fields:
    """Person and session of a subject identifier (RFC 9493), simple or complex; what it does not say is left out."""
    if not isinstance(sub_id, dict):
        return {}
    user = sub_id.get("user") if sub_id.get("format") == "complex" else sub_id
    session = sub_id.get("session") if sub_id.get("format") == "complex" else None
    found: Fields = {}
    sub = user.get("sub") if isinstance(user, dict) and user.get("format") == "iss_sub" else None
    if isinstance(sub, str) and 0 < len(sub) <= _LONGEST:
        shaped = _KEYCLOAK_SUBJECT.fullmatch(sub)
        found["user.id"] = shaped[1] if shaped else sub
    session_id = session.get("id") if isinstance(session, dict) and session.get("format") == "opaque" else None
    if isinstance(session_id, str) and 0 < len(session_id) <= _LONGEST:
        found["health.session.id"] = session_id
    return found


def _reason(said: Mapping[str, object]) -> str:
    """Who, what and why, in the issuer's words: ``admin: session ended after an incident``."""
    parts: list[str] = []
    for name in ("change_type", "credential_type", "friendly_name"):
        if isinstance(value := said.get(name), str) and value:
            parts.append(value[:_LONGEST])
    for name in ("reason_admin", "reason_user"):
        words = said.get(name)
        if isinstance(words, dict):
            parts += [text[:_LONGEST] for text in list(words.values())[:1] if isinstance(text, str) and text]
    initiator = said.get("initiating_entity")
    who = f"{initiator[:_LONGEST]}: " if isinstance(initiator, str) and initiator else ""
    return f"{who}{', '.join(parts)}" if parts else who.removesuffix(": ")
