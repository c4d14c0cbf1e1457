"""What a login gives a client: codes, grants, tokens, and their revocation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from idp.model.quick import quick


@quick
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
    #: The first level of ``acr_values``, for clients that are told what they asked (``acr_told``).
    acr_requested: str | None = None
    #: Thumbprint of the key whose proof must come with the code (RFC 9449 §10).
    dpop_jkt: str | None = None
    #: Resource servers the tokens are for (RFC 8707); none: ourselves alone.
    resources: frozenset[str] = frozenset()
    #: Claims that the ``claims`` parameter asked for in ID tokens (OpenID Connect Core §5.5).
    id_token_claims: frozenset[str] = frozenset()
    #: The same of the userinfo answer.
    userinfo_claims: frozenset[str] = frozenset()
    #: What exactly was granted (RFC 9396), as it was asked.
    authorization_details: tuple[Mapping[str, object], ...] = ()


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
    #: The first level of ``acr_values``, as in a grant.
    acr_requested: str | None = None
    #: What exactly was asked to do (RFC 9396).
    authorization_details: tuple[Mapping[str, object], ...] = ()
    #: Bearer token for the service's notification endpoint (ping); it lives as long as the request.
    notification_token: str | None = None
    #: The handle itself, which only a notification repeats; without the client's own proof it is worth nothing.
    notified_handle: str | None = None


@quick
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
    #: The first level of ``acr_values``, for clients that are told what they asked (``acr_told``).
    acr_requested: str | None = None
    #: Set while tokens are made that will be pushed: the ``auth_req_id`` that their ID token names (CIBA §10.3.1).
    pushed_as: str | None = None
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
    #: The same of the userinfo answer.
    userinfo_claims: frozenset[str] = frozenset()
    #: What exactly was granted (RFC 9396), as it was asked.
    authorization_details: tuple[Mapping[str, object], ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """One link of a family, found by its hash. A rotated one shown again revokes the family (RFC 9700 §4.14)."""

    token_hash: str
    grant_id: str
    expires_at: datetime
    rotated_at: datetime | None = None
    #: The answer that replaced it, sealed under the token itself (:mod:`idp.grants.repeated_answer`).
    answer: bytes | None = None
    #: None for one issued by an older release.
    issued_at: datetime | None = None


@quick
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
    authorization_details: tuple[Mapping[str, object], ...] = ()
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
