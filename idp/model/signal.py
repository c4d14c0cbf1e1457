"""What others must hear of when something ends, and each message that tells one of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class Initiator(StrEnum):
    """Who made it happen, in the words of CAEP §2 (``initiating_entity``)."""

    ADMIN = "admin"
    USER = "user"
    POLICY = "policy"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why something ends: by whom, and in words for a person who investigates."""

    initiator: Initiator
    reason: str = ""


#: Where nobody in particular made it happen.
BY_SYSTEM: Final = Cause(initiator=Initiator.SYSTEM)


class SignalKind(StrEnum):
    """What happened. A grant that ends alone (its refresh token was stolen) leaves the session as it is."""

    SESSION_ENDED = "session_ended"
    GRANT_ENDED = "grant_ended"
    CREDENTIAL_CHANGED = "credential_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something that others must hear of, stored in the transaction of what it tells of: neither is ever without the other."""

    id: str
    kind: SignalKind
    account_id: str
    cause_initiator: Initiator
    cause_reason: str
    at: datetime
    session_id: str | None = None
    #: Clients that got tokens by that session or grant.
    client_ids: tuple[str, ...] = ()
    #: What the kind needs besides: of a credential its type, its name and what became of it.
    details: Mapping[str, str] = field(default_factory=dict)


class DeliveryKind(StrEnum):
    """How it is told: a logout token (Back-Channel Logout §2.5), or a security event (RFC 8417)."""

    BACKCHANNEL_LOGOUT = "backchannel_logout"
    SECURITY_EVENT = "security_event"


class DeliveryState(StrEnum):
    """``held``: its recipient comes for it (RFC 8936); the last two are final."""

    WAITING = "waiting"
    HELD = "held"
    DELIVERED = "delivered"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one recipient, tried until it is heard or given up."""

    id: str
    kind: DeliveryKind
    #: ``client_id`` of the service, or identifier of the stream.
    recipient: str
    created_at: datetime
    due_at: datetime
    account_id: str | None = None
    session_id: str | None = None
    state: DeliveryState = DeliveryState.WAITING
    attempt_count: int = 0
    #: What went wrong the last time, for a person.
    fault: str = ""
    settled_at: datetime | None = None
    #: Claims of a security event that stay the same however often it is sent.
    claims: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A service that got tokens by a session; remembered for a day, because the service's own session may outlast ours."""

    session_id: str
    client_id: str
    account_id: str
    last_at: datetime


class StreamStatus(StrEnum):
    """Shared Signals §8.1.2.1: events of a paused stream are kept for it, those of a disabled one are not."""

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Security events for one client, pushed to it (RFC 8935) or kept until it comes for them (RFC 8936)."""

    id: str
    client_id: str
    created_at: datetime
    #: Without an address the client comes for its events.
    endpoint_url: str | None = None
    #: What the client wants to see in ``Authorization`` when events are pushed to it: sealed, in hex, for it opens a door of theirs.
    sealed_authorization: str | None = None
    events_requested: tuple[str, ...] = ()
    description: str = ""
    status: StreamStatus = StreamStatus.ENABLED
    status_reason: str = ""
    verified_at: datetime | None = None
