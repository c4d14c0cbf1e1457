"""What waits for a person and what a login leaves: questions, interactions, pushed requests, sessions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from idp.model.quick import quick


class ApprovalState(StrEnum):
    """Life of one approval request; the last five are final."""

    REQUESTED = "requested"
    SEEN = "seen"
    APPROVED = "approved"
    DENIED = "denied"
    REPORTED = "reported"
    MISMATCHED = "mismatched"
    EXPIRED = "expired"


class ApprovalKind(StrEnum):
    """Where the person compares: a browser that shows a number, or a service that shows its own message (CIBA)."""

    BROWSER = "browser"
    SERVICE = "service"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One question put to a person's devices: «is it you who logs in to this service?»"""

    id: str
    account_id: str
    interaction_id: str
    #: What the device signs, so that an answer fits one question only.
    challenge: str
    #: Two digits shown in the browser, and the three choices shown on the phone.
    code: str
    choices: tuple[str, str, str]
    client_name: str
    structure_name: str | None
    source_ip: str
    user_agent: str
    requested_at: datetime
    expires_at: datetime
    state: ApprovalState = ApprovalState.REQUESTED
    device_id: str | None = None
    kind: ApprovalKind = ApprovalKind.BROWSER
    #: By what means it is answered: phones are shown those of ``device`` alone.
    method: str = "device"
    #: What a service shows on its screen and the phone on its own, so that the person sees that they belong together.
    binding_message: str | None = None
    client_id: str | None = None
    #: What exactly a service asks to do (RFC 9396); and since when it says of itself who it is, if nobody else does: then also what
    #: it asks for is shown, and the yes is the person's consent.
    authorization_details: tuple[Mapping[str, object], ...] = ()
    scope: frozenset[str] = frozenset()
    client_registered_at: datetime | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """An authorization request that waits for a person. ``request`` is the query as it was checked."""

    id: str
    request: Mapping[str, str]
    client_id: str
    #: SHA-256 of the cookie of the browser that began it: nobody else can go on with it.
    browser_hash: str
    created_at: datetime
    expires_at: datetime
    approval_id: str | None = None
    #: Set once the person has proved who they are in *this* interaction (prompt=login, max_age).
    authenticated_at: datetime | None = None
    #: Set when the request was pushed: what its one answer spends.
    pushed_hash: str | None = None
    #: Set while a card is to be shown at the address of cards: the secret in its path, and what became of it there, a fault or a proof.
    card_ticket_hash: str | None = None
    card_fault: str | None = None
    card_proof_hash: str | None = None
    card_account_id: str | None = None
    #: SHA-256 (hex) of the certificate.
    card_thumbprint: str | None = None
    card_proved_at: datetime | None = None
    #: Who agreed in this interaction, on the page that shows who asks for what.
    consented_account_id: str | None = None
    #: Set when a device asked (RFC 8628), not this browser: what the answer goes to, and the session that the login began.
    device_code_hash: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRequest:
    """An authorization request that its client pushed (RFC 9126), found by the hash of its ``request_uri``, for one answer."""

    request_hash: str
    client_id: str
    #: As they were checked, out of the request object if there was one.
    parameters: Mapping[str, str]
    expires_at: datetime


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person's single sign-on session in one browser; ``id`` is the ``sid`` claim, the cookie is another secret."""

    id: str
    cookie_hash: str
    account_id: str
    method: str
    acr: str
    amr: tuple[str, ...]
    auth_time: datetime
    last_used_at: datetime
    expires_at: datetime
    source_ip: str
    user_agent: str
    device_id: str | None = None


class DeviceAuthorizationState(StrEnum):
    """Life of a device authorization; the last two are final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAuthorization:
    """What a device without browser asks for (RFC 8628), found by the hash of its ``device_code`` or of its ``user_code``."""

    device_code_hash: str
    user_code_hash: str
    client_id: str
    scope: frozenset[str]
    resources: frozenset[str]
    created_at: datetime
    expires_at: datetime
    interval_seconds: int
    #: Where the device asked from: shown to the person, who may be somewhere else because somebody deceives them.
    source_ip: str
    user_agent: str
    #: What exactly it asks to do (RFC 9396).
    authorization_details: tuple[Mapping[str, object], ...] = ()
    state: DeviceAuthorizationState = DeviceAuthorizationState.PENDING
    #: The session that the person's approval began; it is the device's, no browser holds it.
    session_id: str | None = None
