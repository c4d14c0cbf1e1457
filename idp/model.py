"""The provider's nouns: plain frozen records, without input or output.

Instants are aware UTC datetimes ending in ``_at``; durations are timedeltas; a ``_hash`` is SHA-256 in hex
of a secret that is never stored itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: What a client may be registered for, by the names of RFC 7591; :mod:`idp.grants` and :mod:`idp.client_auth` do it.
GRANT_TYPES: Final = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:openid:params:grant-type:ciba",
    "urn:ietf:params:oauth:grant-type:token-exchange",
)
CLIENT_AUTH_METHODS: Final = (
    "client_secret_basic",
    "client_secret_post",
    "none",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
)


class Profile(StrEnum):
    """What a client is held to (see :mod:`idp.profiles`)."""

    PSC = "psc"
    BASELINE = "baseline"
    FAPI2 = "fapi2"


class AccountKind(StrEnum):
    """Professionals are known by RPPS, ADELI or an employer's number; patients by traits and INS."""

    PROFESSIONAL = "professional"
    PATIENT = "patient"


class AccountState(StrEnum):
    """A suspended account keeps its history and gets no session, code or token."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered relying party. Member names are those of RFC 7591 and OpenID Connect Registration."""

    client_id: str
    client_name: str
    profile: Profile = Profile.BASELINE
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code",)
    scope: frozenset[str] = frozenset({"openid"})
    token_endpoint_auth_method: str = "client_secret_basic"
    #: SHA-256 in hex of a generated secret of at least 256 bits (a slow hash would add nothing but cost).
    client_secret_hash: str | None = None
    jwks: Mapping[str, object] | None = None
    #: Resource servers (RFC 8707) this client may ask access tokens for, besides ourselves.
    resources: tuple[str, ...] = ()
    #: RFC 9126 §6: an authorization request counts only when it was pushed (a profile may demand it too).
    require_pushed_authorization_requests: bool = False
    #: RFC 9101 §10.5: an authorization request counts only as a signed object.
    require_signed_request_object: bool = False
    #: The one algorithm of this client's request objects; without it every one we accept.
    request_object_signing_alg: str | None = None
    id_token_signed_response_alg: str = "ES256"
    #: Of introspection answers that the client asks for as JWT (RFC 9701 §6; its default).
    introspection_signed_response_alg: str = "RS256"
    #: What signs answers of the authorization endpoint (JARM §3); by default what signs the client's ID tokens.
    authorization_signed_response_alg: str | None = None
    subject_type: str = "public"
    sector_identifier: str | None = None
    #: Tokens of this client are bound to a DPoP key, always (RFC 9449 §5.2).
    dpop_bound_access_tokens: bool = False
    #: Tokens of this client are bound to its TLS certificate, always (RFC 8705 §3.4).
    tls_client_certificate_bound_access_tokens: bool = False
    #: For ``tls_client_auth``, the one name that its certificates are issued for (RFC 8705 §2.1.2).
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    #: Name and FINESS of the establishment, shown on the login page.
    structure_name: str | None = None
    structure_finess: str | None = None
    #: Clients whose tokens this one may exchange for one of an interface among its ``resources`` (RFC 8693).
    exchange_subject_clients: tuple[str, ...] = ()
    #: How the service hears of a backchannel login (CIBA §4): poll, or ping at the endpoint it registered.
    backchannel_token_delivery_mode: str = "poll"
    backchannel_client_notification_endpoint: str | None = None
    #: Overrides of the profile's quirks and lifetimes, by switch name.
    quirks: Mapping[str, str | int | bool] = field(default_factory=dict)
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person. ``id`` is our own random identifier; ``national_id`` the PS_IdNat of a professional (type digit + identifier)."""

    id: str
    kind: AccountKind
    state: AccountState = AccountState.ACTIVE
    national_id: str | None = None
    given_name: str = ""
    family_name: str = ""
    #: The professional's directory entry, shaped as PSC's userinfo without sub, authMode and Palier_Authentification.
    directory: Mapping[str, object] = field(default_factory=dict)


class DeviceState(StrEnum):
    """Three wrong PINs block a device; it must be enrolled again."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """An enrolled phone: it holds a P-256 private key that never leaves it; we hold the public JWK."""

    id: str
    account_id: str
    name: str
    public_jwk: Mapping[str, str]
    #: HMAC-SHA-256 (hex) of device id and PIN under the sealed pepper: four digits need a secret, not a slow hash.
    pin_mac: str
    state: DeviceState = DeviceState.ACTIVE
    wrong_pin_count: int = 0
    enrolled_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A one-time right to enrol a device, found by the hash of its activation code."""

    code_hash: str
    account_id: str
    expires_at: datetime


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
    #: What a service shows on its screen and the phone on its own, so that the person sees that they belong together.
    binding_message: str | None = None
    client_id: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRequest:
    """An authorization request that its client pushed (RFC 9126), found by the hash of its ``request_uri``, for one use."""

    request_hash: str
    client_id: str
    #: As they were checked, out of the request object if there was one.
    parameters: Mapping[str, str]
    expires_at: datetime


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCode:
    """What a code stands for (RFC 6749 §4.1.2), found by the hash of the code."""

    code_hash: str
    client_id: str
    account_id: str
    session_id: str
    grant_id: str
    redirect_uri: str
    scope: frozenset[str]
    nonce: str | None
    code_challenge: str | None
    acr: str
    amr: tuple[str, ...]
    method: str
    auth_time: datetime
    expires_at: datetime
    #: Thumbprint of the key whose proof must come with the code (RFC 9449 §10).
    dpop_jkt: str | None = None
    #: Resource servers the tokens are for (RFC 8707); none: ourselves alone.
    resources: frozenset[str] = frozenset()
    #: Claims that the ``claims`` parameter asked for in ID tokens (OpenID Connect Core §5.5).
    id_token_claims: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedRequest:
    """A request that a person answers elsewhere than where it was made; the service asks for the answer by a handle.

    The handle is the ``auth_req_id`` of CIBA, and the answer is that of the approval.
    """

    handle_hash: str
    client_id: str
    scope: frozenset[str]
    created_at: datetime
    expires_at: datetime
    interval_seconds: int
    approval_id: str | None = None
    #: By what means the person will answer, and the level and values (RFC 8176) that it yields.
    method: str | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    #: Bearer token for the service's notification endpoint (ping); it lives as long as the request.
    notification_token: str | None = None
    #: The handle itself, which only a notification repeats; without the client's own proof it is worth nothing.
    notified_handle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one login gave one client: the family of its refresh and access tokens. Revoking it ends them all."""

    id: str
    client_id: str
    account_id: str | None
    session_id: str | None
    scope: frozenset[str]
    nonce: str | None
    acr: str | None
    amr: tuple[str, ...]
    method: str | None
    auth_time: datetime | None
    created_at: datetime
    revoked_at: datetime | None = None
    #: Who acts for the person, in a token got by exchange (RFC 8693 §4.1).
    actor: Mapping[str, str] = field(default_factory=dict)
    exchanged: bool = False
    #: Thumbprint of the key that its refresh tokens are bound to, for a public client (RFC 9449 §5).
    dpop_jkt: str | None = None
    #: The same for a certificate: its ``x5t#S256`` (RFC 8705 §4).
    certificate_thumbprint: str | None = None
    #: Resource servers the tokens are for (RFC 8707); none: ourselves alone.
    resources: frozenset[str] = frozenset()
    #: Claims that the ``claims`` parameter asked for in ID tokens (OpenID Connect Core §5.5).
    id_token_claims: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """One link of a family, found by its hash. A rotated one shown again revokes the family (RFC 9700 §4.14)."""

    token_hash: str
    grant_id: str
    expires_at: datetime
    rotated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokenRecord:
    """What introspection and userinfo need of an issued access token, found by its ``jti``."""

    jti: str
    grant_id: str
    client_id: str
    account_id: str | None
    session_id: str | None
    scope: frozenset[str]
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    #: Who acts for the person, in a token got by exchange (RFC 8693 §4.1).
    actor: Mapping[str, str] = field(default_factory=dict)
    exchanged: bool = False
    #: ``cnf``: the key or certificate without which the token is worth nothing (RFC 7800); empty for a bearer token.
    confirmation: Mapping[str, str] = field(default_factory=dict)
    #: Resource servers it is for (RFC 8707); none: ourselves alone.
    resources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What a revocation ended, and for how long tokens checked offline may still be accepted."""

    session_count: int
    grant_count: int
    residual: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long what does not depend on a client's profile lives (those that do: :mod:`idp.profiles`)."""

    session_idle: timedelta = timedelta(minutes=30)
    session_max: timedelta = timedelta(hours=4)
    interaction: timedelta = timedelta(minutes=10)
    approval: timedelta = timedelta(seconds=120)
    pushed_request: timedelta = timedelta(seconds=90)
    enrolment: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many attempts fall within ``window`` before the next is refused; one counter for every door."""

    window: timedelta = timedelta(minutes=15)
    client_failure_count: int = 20
    account_attempt_count: int = 20
    source_attempt_count: int = 100
    wrong_pin_count: int = 3
