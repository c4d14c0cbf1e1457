"""Token exchange (RFC 8693), as the interfaces of Pro Santé Connect's trust area use it: a person's token for one of an interface.

The new token belongs to the grant of the token it came from: whatever ends the one ends the other, and it never lives longer.
A token of another provider (``subject_issuer``, as ANS's proxy sends it) begins a grant of its own, which is never refreshed.
A subject token that does not count is ``invalid_request``, whatever the reason: here no token is the grant (§2.2.2).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from idp.clock import ordered_id
from idp.errors import InvalidRequest, InvalidScope, InvalidTarget, OperationError, TemporarilyUnavailable
from idp.grants.phases import Authorization, Services, TokenRequest
from idp.model import Account, AccountState, Client, Grant
from idp.profiles import rules_of
from idp.tokens.actor import actor_of
from idp.tokens.live import Access, find_live

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
PARAMETERS = frozenset(
    {"subject_token", "subject_token_type", "subject_issuer", "scope", "audience", "resource", "actor_token", "actor_token_type"}
)
REQUIRES_CLIENT_AUTH = True

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
_JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
#: Scope values that release who the person is: only a token that has them gives them on.
_PERSONAL: Final = frozenset({"profile", "identity", "scope_all"})


async def authorize(request: TokenRequest, services: Services) -> Authorization:
    """Validate the subject token as introspection does, and give what this client registered, never more than asked."""
    parameters, client = request.parameters, request.client
    if parameters.get("subject_token_type") not in (ACCESS_TOKEN, _JWT):
        raise InvalidRequest(f"subject_token_type must be {ACCESS_TOKEN} or {_JWT}")
    if parameters.get("requested_token_type", ACCESS_TOKEN) not in (ACCESS_TOKEN, _JWT):
        raise InvalidRequest(f"requested_token_type must be {ACCESS_TOKEN} or {_JWT}")
    resources = frozenset({_target(request)})
    if "subject_issuer" in parameters:
        return await _foreign(request, services, resources)
    access, account = await _subject(request, services)
    scope = _scope(parameters.get("scope"), client, access)
    grant = replace(
        access.grant,
        scope=scope,
        nonce=None,
        resources=resources,
        id_token_claims=frozenset(),
        userinfo_claims=frozenset(),
        authorization_details=(),
        exchanged=True,
        actor=_actor(request, services),
    )
    until = min(access.record.expires_at, services.now + timedelta(seconds=rules_of(client).exchanged_token_seconds))
    return Authorization(grant=grant, account=account, joined_until=until)


async def _foreign(request: TokenRequest, services: Services, resources: frozenset[str]) -> Authorization:
    """A token of another provider that the operator trusts and the client is registered for: its own provider says whether it counts."""
    client, name = request.client, request.parameters["subject_issuer"]
    issuer = services.subject_issuers.find(name) if services.subject_issuers is not None else None
    if services.subject_issuers is None or issuer is None or name not in client.exchange_subject_issuers:
        raise InvalidRequest("subject_issuer is not one whose tokens this client may exchange")
    token = request.parameters.get("subject_token")
    if token is None:
        raise InvalidRequest("subject_token is missing")
    try:
        found = await services.subject_issuers.ask(issuer, token)
    except OperationError as error:
        raise TemporarilyUnavailable("the issuer of the subject_token cannot be asked now: try again", detail=str(error)) from error
    if isinstance(found, str):
        raise _does_not_count(found)
    account = await services.store.accounts.find_by_national_id(found.national_id)
    if account is None:
        raise _does_not_count("nobody here has that identifier")
    if account.state is not AccountState.ACTIVE:
        raise _does_not_count("the account is suspended")
    asked = frozenset((request.parameters.get("scope") or "").split())
    if not asked or not asked <= client.scope - {"openid"} - _PERSONAL:
        raise InvalidScope("scope must name what the interface needs, within what this client registered")
    grant = Grant(
        id=ordered_id(services.now),
        client_id=client.client_id,
        account_id=account.id,
        session_id=None,
        scope=asked,
        nonce=None,
        acr=found.acr,
        amr=(),
        method=None,
        auth_time=datetime.fromtimestamp(found.auth_time, UTC) if found.auth_time is not None else None,
        created_at=services.now,
        exchanged=True,
        actor=_actor(request, services),
        resources=resources,
    )
    longest = services.now + timedelta(seconds=rules_of(client).exchanged_token_seconds)
    ends_at = min(datetime.fromtimestamp(found.expires_at, UTC), longest)
    if ends_at <= services.now:
        raise _does_not_count("it has expired")
    return Authorization(grant=grant, account=account, ends_at=ends_at)


async def _subject(request: TokenRequest, services: Services) -> tuple[Access, Account]:
    """One answer for every token that does not count, so that nothing is learnt of tokens one found."""
    token = request.parameters.get("subject_token")
    if token is None:
        raise InvalidRequest("subject_token is missing")
    access = await find_live(services.tokens, services.store, token, services.now)
    fault = "expired, revoked or not ours" if access is None else _fault(access, request.client)
    if access is None or access.account is None or fault:
        raise _does_not_count(fault)
    return access, access.account


def _does_not_count(fault: str) -> InvalidRequest:
    return InvalidRequest(
        "the subject_token does not count here: it must be live, and of a client that this one may exchange for",
        detail=f"subject_token: {fault}",
    )


def _fault(access: Access, client: Client) -> str:
    if access.account is None:
        return "it is a client's own"
    if access.record.exchanged:
        return "it was got by an exchange itself"
    if access.record.client_id not in client.exchange_subject_clients:
        return "it was issued to a client whose tokens this one may not exchange"
    return ""


def _target(request: TokenRequest) -> str:
    """§2.1: one of the resource servers the client registered, by whichever parameter; the only one need not be named."""
    registered = request.client.resources
    asked = {value for name in ("audience", "resource") for value in request.parameters.get(name, "").split()}
    if not asked and len(registered) == 1:
        return registered[0]
    if len(asked) != 1 or not asked <= set(registered):
        raise InvalidTarget("audience must be one resource server that this client registered")
    return asked.pop()


def _scope(asked: str | None, client: Client, access: Access) -> frozenset[str]:
    scope = frozenset((asked or "").split())
    if not scope:
        raise InvalidScope("scope is missing: name what the interface needs")
    allowed = (client.scope - {"openid"} - _PERSONAL) | (client.scope & access.record.scope & _PERSONAL)
    if not scope <= allowed:
        raise InvalidScope("scope: this exchange cannot give all of it; ask for less", detail=f"scope {min(scope - allowed)[:100]!r}")
    return scope


def _actor(request: TokenRequest, services: Services) -> dict[str, str]:
    token, kind = request.parameters.get("actor_token"), request.parameters.get("actor_token_type")
    if (token is None) != (kind is None):
        raise InvalidRequest("actor_token and actor_token_type go together")
    if token is None:
        return {}
    if kind != _JWT:
        raise InvalidRequest(f"actor_token_type must be {_JWT}")
    return dict(actor_of(token, request.client, issuer=services.tokens.issuer, now=services.now))
