"""What passes between the phases of the token endpoint, and the phases that are the same for every grant."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from idp.audit import AuditLog
from idp.errors import InvalidScope, OAuthError
from idp.model import Account, Client, Grant, Lifetimes
from idp.model.quick import quick
from idp.profiles import rules_of
from idp.store import Store
from idp.subject_issuers import SubjectIssuers
from idp.tokens import Issuer, TokenSet
from idp.tokens.certificate import Certificate
from idp.tokens.dpop import Nonces, ProofExpectation, check_proof
from idp.tokens.sender import Sender, binding, require_sender
from idp.tokens.told import told_scope
from vocabulary.audit import AuditAction, AuditValue, Outcome


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A token request of a client that has proved itself."""

    client: Client
    parameters: Mapping[str, str]
    source_ip: str
    #: The ``DPoP`` header, as sent (RFC 9449 §4.1), and the names of this endpoint that a proof may be made for.
    proof: str | None = None
    urls: frozenset[str] = frozenset()
    certificate: Certificate | None = None
    #: The ``auth_req_id`` of an answer that is pushed (CIBA §10.3): nobody asked at the token endpoint.
    pushed_as: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the phases work with, and the instant of the request."""

    store: Store
    tokens: Issuer
    audit: AuditLog
    lifetimes: Lifetimes
    now: datetime
    #: Set where proofs can be asked to hold a nonce of ours.
    nonces: Nonces | None = None
    #: Set where tokens of other providers can be exchanged.
    subject_issuers: SubjectIssuers | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What a grant authorises: a family of tokens, for a person or for the client itself."""

    grant: Grant
    account: Account | None
    #: Hash of the refresh token that this request rotates.
    rotated: str | None = None
    #: Hash of the refresh token that this request uses and that goes on as it is.
    reused: str | None = None
    #: That token was rotated before: the request may be a repetition (:mod:`idp.grants.repeated_answer`), or a replay.
    spent: bool = False
    #: Thumbprint of the DPoP key that the code or refresh token is bound to.
    bound_jkt: str | None = None
    #: What the event of success is called besides ``access_token.issued``.
    consumed: AuditAction | None = None
    #: The token joins a grant that is there already, until then at most: no grant begins and nothing is refreshed.
    joined_until: datetime | None = None
    #: The token lives until then at most, and nothing is refreshed.
    ends_at: datetime | None = None

    def refreshable_by(self, client: Client) -> bool:
        """Whether a refresh token goes with it."""
        ends = self.joined_until is not None or self.ends_at is not None or self.reused is not None
        return "refresh_token" in client.grant_types and self.account is not None and not ends


class GrantType(Protocol):
    """A module of this folder."""

    GRANT_TYPE: str
    #: Parameters of its own (RFC 6749 §4), for the documentation.
    PARAMETERS: frozenset[str]
    #: Whether a public client is refused.
    REQUIRES_CLIENT_AUTH: bool

    async def authorize(self, request: TokenRequest, services: Services) -> Authorization:
        """Consume what the request presents; raises an OAuthError when it authorises nothing."""
        ...


R = TypeVar("R", Authorization, Grant)


def changed(record: R, **members: Any) -> R:
    """The record with these members; itself where they are what it has, as nearly always: a copy of so many members is dear."""
    for name, value in members.items():
        if getattr(record, name) != value:
            return replace(record, **members)
    return record


async def prove_sender(request: TokenRequest, services: Services) -> Sender:
    """What the client proves to hold, before anything is spent: a client told to use a nonce comes back with the same code."""
    jkt = None
    if request.proof is not None:
        nonces = services.nonces if rules_of(request.client).dpop_nonce_required else None
        expected = ProofExpectation(method="POST", urls=request.urls, now=services.now, nonces=nonces)
        jkt = await check_proof(request.proof, expected, services.store.counters)
    sender = Sender(jkt=jkt, certificate=request.certificate)
    require_sender(request.client, sender)
    return sender


def spoken_scope(request: TokenRequest, authorization: Authorization) -> frozenset[str]:
    """The scope of the access token: what was granted, or less when a refresh asks for less (RFC 6749 §6).

    Clients of PSC repeat ``scope`` with a code, where it means nothing: it is ignored there.
    """
    granted = authorization.grant.scope
    asked = request.parameters.get("scope")
    if asked is None or request.parameters.get("grant_type") != "refresh_token":
        return granted
    # What it was told besides (and was never granted) it may repeat in good faith.
    scope = frozenset(asked.split()) - (frozenset(rules_of(request.client).scope_told_besides.split()) - granted)
    if not scope <= granted:
        raise InvalidScope("a refresh cannot widen the scope that was granted")
    return scope


def record_refusal(request: TokenRequest, error: OAuthError, services: Services) -> None:
    """One event for every refusal, whatever the grant."""
    services.audit.record(
        AuditAction.ACCESS_TOKEN_REFUSED,
        Outcome.FAILURE,
        {
            "event.reason": f"{error.error}: {error.detail or error.description}",
            "health.relying_party.id": request.client.client_id,
            "health.grant.type": request.parameters.get("grant_type", "")[:100],
            "source.ip": request.source_ip,
        },
    )


def record_issue(request: TokenRequest, authorization: Authorization, tokens: TokenSet, services: Services) -> None:
    """What was consumed, then what was issued."""
    grant = authorization.grant
    fields: dict[str, AuditValue | None] = {
        "user.id": authorization.account.national_id if authorization.account else None,
        "health.relying_party.id": request.client.client_id,
        "health.session.id": grant.session_id,
        "health.grant.id": grant.id,
        "health.grant.type": request.parameters["grant_type"],
        "source.ip": request.source_ip,
        "health.actor.id": grant.actor.get("sub"),
    }
    if authorization.consumed is not None:
        services.audit.record(authorization.consumed, Outcome.SUCCESS, fields)
    issued: dict[str, AuditValue | None] = {
        "health.token.id": tokens.access_token_record.jti,
        "health.token.binding": binding(tokens.access_token_record.confirmation),
        "health.scope": sorted(tokens.access_token_record.scope),
    }
    services.audit.record(AuditAction.ACCESS_TOKEN_ISSUED, Outcome.SUCCESS, {**fields, **issued})


def response_body(request: TokenRequest, authorization: Authorization, tokens: TokenSet, scope: frozenset[str]) -> dict[str, Any]:
    """RFC 6749 §5.1, OpenID Connect Core §3.1.3.3; with Keycloak's own members for clients of PSC."""
    rules = rules_of(request.client)
    body: dict[str, Any] = {
        "access_token": tokens.access_token,
        "token_type": "DPoP" if "jkt" in tokens.access_token_record.confirmation else "Bearer",
        "expires_in": int((tokens.access_token_record.expires_at - tokens.access_token_record.issued_at).total_seconds()),
        "scope": told_scope(scope, rules) if authorization.account else " ".join(sorted(scope)),
    }
    if tokens.access_token_record.authorization_details:
        body["authorization_details"] = list(tokens.access_token_record.authorization_details)
    if authorization.grant.exchanged:
        body["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
    refresh_token = request.parameters["refresh_token"] if authorization.reused else tokens.refresh_token
    if refresh_token is not None:
        body["refresh_token"] = refresh_token
    if tokens.id_token is not None:
        body["id_token"] = tokens.id_token
    if rules.keycloak_token_response:
        body["refresh_expires_in"] = rules.refresh_token_seconds if refresh_token else 0
        body["not-before-policy"] = 0
        if authorization.grant.session_id:
            body["session_state"] = authorization.grant.session_id
    return body
