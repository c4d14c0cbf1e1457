"""The event: what every source is turned into, under the field names of the Elastic Common Schema.

In memory an event is a flat dict with dotted keys (``"source.ip"``), because the detection engine reads
it millions of times; :data:`FIELDS` is the one table of the fields we use. Our own stand under ``health.*``.

Source: ECS 8 field reference.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

Value = str | int | float | bool | list[str]
#: ``fields`` of an event: flat, dotted keys; an absent key means absent, None is no value. Those of FIELDS are as their kind says and never
#: empty texts; where a source gives several values for one that is not :data:`SINGLE`, they are a list of texts. Others have the source's
#: own names (``CommandLine``, ``process.executable``); rules compare them by their text.
Fields = dict[str, Value]


# Millions of both are made: a named tuple is made in a third of the time of a frozen dataclass.
class RawRecord(NamedTuple):
    """One line or document as received. ``position`` is unique within its source and gives the event its identity."""

    source: str
    position: str
    received_at: datetime
    data: bytes
    tenant: str = "default"


class Event(NamedTuple):
    """One thing that happened. ``id`` is derived from source and position: a replay gives the same."""

    id: str
    at: datetime
    source: str
    tenant: str
    fields: Fields


class Kind(StrEnum):
    """How a field is stored and compared."""

    KEYWORD = "keyword"
    KEYWORDS = "keywords"
    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    IP = "ip"


def text_of(value: object) -> str:
    """The text under which a value is compared by rules and kept where it has no column of its own."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return str(value)


def texts_of(value: Value) -> tuple[str, ...]:
    """The texts of a value: one, or those of a list."""
    return tuple(value) if isinstance(value, list) else (text_of(value),)


#: Every field that has a column and a kind of its own. ``@timestamp``, ``event.id`` and the source are attributes of Event, not fields.
FIELDS: Final[Mapping[str, Kind]] = {
    "event.kind": Kind.KEYWORD,
    "event.dataset": Kind.KEYWORD,
    "event.module": Kind.KEYWORD,
    "event.provider": Kind.KEYWORD,
    "event.sequence": Kind.INTEGER,
    "event.action": Kind.KEYWORD,
    "event.category": Kind.KEYWORDS,
    "event.type": Kind.KEYWORDS,
    "event.outcome": Kind.KEYWORD,
    "event.reason": Kind.TEXT,
    "event.code": Kind.KEYWORD,
    "event.duration": Kind.INTEGER,
    "event.hash": Kind.KEYWORD,
    "error.message": Kind.TEXT,
    "log.flags": Kind.KEYWORDS,
    "message": Kind.TEXT,
    "host.name": Kind.KEYWORD,
    "service.name": Kind.KEYWORD,
    "user.id": Kind.KEYWORD,
    "user.roles": Kind.KEYWORDS,
    "source.ip": Kind.IP,
    "source.port": Kind.INTEGER,
    "source.geo.country_iso_code": Kind.KEYWORD,
    "source.geo.city_name": Kind.KEYWORD,
    "source.geo.location.lat": Kind.FLOAT,
    "source.geo.location.lon": Kind.FLOAT,
    "user_agent.original": Kind.TEXT,
    "url.original": Kind.TEXT,
    "url.path": Kind.KEYWORD,
    "url.query": Kind.TEXT,
    "http.request.method": Kind.KEYWORD,
    "http.request.referrer": Kind.TEXT,
    "http.response.status_code": Kind.INTEGER,
    "http.response.body.bytes": Kind.INTEGER,
    "http.version": Kind.KEYWORD,
    "trace.id": Kind.KEYWORD,
    "tls.client.hash.sha256": Kind.KEYWORD,
    "health.professional.profession": Kind.KEYWORD,
    "health.patient.pseudonym": Kind.KEYWORD,
    "health.structure.finess": Kind.KEYWORD,
    "health.access.purpose": Kind.KEYWORD,
    "health.break_glass": Kind.BOOLEAN,
    "health.record.count": Kind.INTEGER,
    "health.relying_party.id": Kind.KEYWORD,
    "health.session.id": Kind.KEYWORD,
    "health.authentication.method": Kind.KEYWORD,
    "health.authentication.acr": Kind.KEYWORD,
    "health.authentication.amr": Kind.KEYWORDS,
    "health.device.id": Kind.KEYWORD,
    "health.approval.id": Kind.KEYWORD,
    "health.grant.type": Kind.KEYWORD,
    "health.grant.id": Kind.KEYWORD,
    "health.token.id": Kind.KEYWORD,
    "health.token.binding": Kind.KEYWORD,
    "health.scope": Kind.KEYWORDS,
    "health.claims.count": Kind.INTEGER,
    "health.actor.id": Kind.KEYWORD,
    "health.revoked.count": Kind.INTEGER,
    "health.residual.seconds": Kind.INTEGER,
    "health.delivery.attempt": Kind.INTEGER,
}
#: What an event is, and whose: always one value. Of any other field a source may give several.
SINGLE: Final = frozenset(
    {"event.kind", "event.dataset", "event.module", "event.provider", "event.code", "event.sequence", "event.hash", "service.name"}
    | {name for name in FIELDS if name.startswith("health.")}
)
