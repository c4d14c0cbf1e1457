"""Introspection (RFC 7662): is this token active, and what does it stand for; asked by a client whose business that is."""

from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.endpoints.access import find_access
from idp.endpoints.answers import json_answer
from idp.endpoints.refusals import explained
from idp.endpoints.sender import prove_client
from idp.errors import InvalidClient, InvalidRequest
from idp.http import header, read_form
from idp.model import Account, AccountKind, AccountState, Client, Grant
from idp.profiles import rules_of
from idp.provider import Provider, provider_of
from idp.tokens.claims import login_name, seconds
from idp.tokens.issuer import hash_token
from idp.tokens.live import Access
from idp.tokens.resources import audience_of
from idp.tokens.told import as_told, told_scope
from vocabulary.audit import AuditAction, Outcome

_INACTIVE = {"active": False}
_JWT = "application/token-introspection+jwt"
#: Members that name the person.
_NAMES: Final = frozenset({"username", "preferred_username", "SubjectNameID"})


async def introspect(request: Request) -> Response:
    """POST. Whatever is wrong with the token, the answer is exactly ``{"active": false}`` (§2.2)."""
    provider = provider_of(request)
    form = await read_form(request)
    return await explained(request, provider, "introspection", form, _introspect(request, provider, form))


async def _introspect(request: Request, provider: Provider, form: dict[str, str]) -> Response:
    source_ip = provider.sources(request)
    client = await prove_client(request, provider, form)
    if client.token_endpoint_auth_method == "none":
        raise InvalidClient("a public client may not introspect: register a token_endpoint_auth_method")
    token = form.get("token")
    if token is None:
        raise InvalidRequest("token is missing")
    access = await find_access(provider, token)
    known = access is not None and _may_know(client, access, issuer=provider.issuer)
    if access is None:
        document = await _refresh_document(provider, client, token)
    else:
        document = _access_document(provider, access, client) if known else _INACTIVE
    provider.audit.record(
        AuditAction.TOKEN_INTROSPECTED,
        Outcome.SUCCESS if document["active"] else Outcome.FAILURE,
        {
            "event.reason": "the token is neither this client's nor for a resource that it serves" if access and not known else None,
            "user.id": access.account.national_id if access and access.account else None,
            "source.ip": source_ip,
            "health.relying_party.id": client.client_id,
            "health.session.id": access.grant.session_id if access else None,
            "health.token.id": access.record.jti if access else None,
        },
    )
    if _wants_jwt(header(request, b"accept")):
        return Response(await provider.tokens.sign_introspection(client, document), media_type=_JWT)
    return json_answer(document)


def _may_know(client: Client, access: Access, *, issuer: str) -> bool:
    """Whether the token is this client's business (RFC 7662 §2.2, §4; RFC 9701 §5): its own, or for a resource server that it is.

    Clients of Pro Santé Connect are told of each other's tokens (``open_introspection``), unless the one of the token is known to each
    of its services by another subject: a token that somebody found must not tell them whose it is.
    """
    record = access.record
    if client.client_id == record.client_id or frozenset(client.serves_resources) & (record.resources or {issuer}):
        return True
    both = rules_of(client).open_introspection and rules_of(access.client).open_introspection
    return both and not _is_pairwise(access)


def _is_pairwise(access: Access) -> bool:
    """Whether the service of the token knows its person by a subject that no other service has."""
    return access.client.subject_type == "pairwise" or (access.account is not None and access.account.kind is AccountKind.PATIENT)


def _wants_jwt(accept: str) -> bool:
    """RFC 9701 §4: only when asked for by its name."""
    return any(part.partition(";")[0].strip().lower() == _JWT for part in accept.split(","))


def _access_document(provider: Provider, access: Access, client: Client) -> dict[str, Any]:
    record, grant, account = access.record, access.grant, access.account
    document: dict[str, Any] = {
        "active": True,
        "iss": provider.issuer,
        "sub": provider.tokens.subject(access.client, account) if account else record.client_id,
        "client_id": record.client_id,
        "scope": " ".join(sorted(record.scope)),
        "iat": seconds(record.issued_at),
        "exp": seconds(record.expires_at),
        "jti": record.jti,
        "token_type": "DPoP" if "jkt" in record.confirmation else "Bearer",
    }
    if record.confirmation:
        # The resource server holds the sender to it (RFC 9449 §6.2, RFC 8705 §3.2).
        document["cnf"] = record.confirmation
    if record.resources:
        document["aud"] = audience_of(record.resources, issuer=provider.issuer)
    if record.authorization_details:
        document["authorization_details"] = list(record.authorization_details)
    if record.actor:
        document["act"] = record.actor
    if account is None:
        return document
    told = _with_person(document, access.client, grant, account, typ="Bearer")
    if _is_pairwise(access) and client.client_id != record.client_id:
        # Whom the token's own client knows by one subject, nobody else learns the name of.
        return {name: value for name, value in told.items() if name not in _NAMES}
    return told


def _with_person(document: dict[str, Any], client: Client, grant: Grant, account: Account, *, typ: str) -> dict[str, Any]:
    """What is told of the login behind a token of the client, of either kind, changed as its switches demand."""
    rules, name, scope = rules_of(client), login_name(account, document["sub"]), frozenset(document["scope"].split())
    document["scope"] = told_scope(scope, rules)
    document |= {"auth_time": seconds(grant.auth_time), "acr": grant.acr, "sid": grant.session_id}
    if {"identity", "profile"} & scope:
        # As at userinfo: a service that was not granted the identity does not get it here, nor does the one it calls.
        document["username"] = name
    if rules.keycloak_introspection:
        # As ANS documents it; SubjectNameID only when an access token is introspected.
        document |= {
            "typ": typ,
            "username": name,
            "azp": client.client_id,
            "nonce": grant.nonce or "",
            "session_state": grant.session_id,
            "preferred_username": name,
            "email_verified": False,
        }
        document |= {"SubjectNameID": login_name(account, "")} if typ == "Bearer" else {}
    return as_told(document, grant, rules)


async def _refresh_document(provider: Provider, client: Client, value: str) -> dict[str, Any]:
    """A refresh token is nobody's business but its client's: to others it is not active."""
    now = provider.clock()
    token = await provider.store.tokens.get_refresh_token(hash_token(value))
    if token is None or token.rotated_at is not None or token.expires_at <= now:
        return _INACTIVE
    grant = await provider.store.tokens.get_grant(token.grant_id)
    if grant is None or grant.revoked_at is not None or grant.client_id != client.client_id or grant.account_id is None:
        return _INACTIVE
    account = await provider.store.accounts.get(grant.account_id)
    session = await provider.store.sessions.get(grant.session_id, now) if grant.session_id else None
    if account is None or account.state is not AccountState.ACTIVE or session is None:
        return _INACTIVE
    document: dict[str, Any] = {
        "active": True,
        "iss": provider.issuer,
        "sub": provider.tokens.subject(client, account),
        "client_id": client.client_id,
        "scope": " ".join(sorted(grant.scope)),
        **({"iat": seconds(token.issued_at)} if token.issued_at else {}),
        "exp": seconds(token.expires_at),
        # It is no JWT that could have one of its own; this one stands for it alone, and leads nowhere.
        "jti": str(uuid5(NAMESPACE_OID, f"{provider.issuer} {token.token_hash}")),
        "typ": "Refresh",
    }
    return _with_person(document, client, grant, account, typ="Refresh")


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/token/introspect", introspect, methods=["POST"])]
