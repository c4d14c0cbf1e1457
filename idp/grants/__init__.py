"""The token endpoint: its grants, and the phases every one of them passes through (RFC 6749 §3.2, §5).

Owns what a token request may turn into. Does not own client authentication (the endpoint does it before it
calls :func:`run`, for every grant alike), token making (:mod:`idp.tokens`) or storage. What protects is in the phases, never in a
grant: a grant only says what it authorises. Start with :func:`run`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from idp.authorization_details import narrowed
from idp.errors import AuthorizationPending, InvalidGrant, InvalidRequest, OAuthError, UnauthorizedClient, UnsupportedGrantType
from idp.grants import authorization_code, backchannel, client_credentials, device_code, refresh_token, token_exchange
from idp.grants.phases import (
    Authorization,
    GrantType,
    Services,
    TokenRequest,
    changed,
    prove_sender,
    record_issue,
    record_refusal,
    response_body,
    spoken_scope,
)
from idp.grants.repeated_answer import repeat, seal_answer
from idp.model import AccountState
from idp.profiles import rules_of
from idp.tokens import TokenSet
from idp.tokens.resources import spoken_resources
from idp.tokens.sender import bind, check_bound

#: Discovery lists them from here.
GRANTS: Final[Mapping[str, GrantType]] = {
    grant.GRANT_TYPE: grant for grant in (authorization_code, refresh_token, client_credentials, backchannel, device_code, token_exchange)
}


async def run(request: TokenRequest, services: Services) -> dict[str, Any]:
    """Walk the phases for an authenticated client; returns the body of RFC 6749 §5.1, or raises an audited OAuthError."""
    try:
        grant_type = _allowed(request)
        sender = await prove_sender(request, services)
        authorization = await grant_type.authorize(request, services)
        await _check_holder(authorization, services)
        check_bound(sender, authorization.grant, authorization.bound_jkt)
        if authorization.spent:
            return await repeat(request, authorization, sender, services)
        authorization = changed(authorization, grant=bind(authorization.grant, request.client, sender))
        scope = spoken_scope(request, authorization)
        audience = spoken_resources(request.client, authorization.grant, request.parameters.get("resource"), issuer=services.tokens.issuer)
        details = narrowed(authorization.grant.authorization_details, request.parameters.get("authorization_details"))
        tokens = await services.tokens.issue(
            request.client,
            changed(authorization.grant, resources=audience, authorization_details=details, pushed_as=request.pushed_as),
            authorization.account,
            scope,
            refreshable=authorization.refreshable_by(request.client),
            sender=sender,
            until=authorization.joined_until or authorization.ends_at,
        )
        body = response_body(request, authorization, tokens, scope)
        if not await _store(request, authorization, tokens, services, lambda: seal_answer(request, sender, body)):
            # Another request won the race with the same token: a second tab, or a thief.
            return await repeat(request, authorization, sender, services)
    except AuthorizationPending:
        # Not an outcome: the service asks again in a few seconds.
        raise
    except OAuthError as error:
        # What was shown is used up, whatever it was worth.
        await services.store.settle()
        record_refusal(request, error, services)
        raise
    record_issue(request, authorization, tokens, services)
    return body


def _allowed(request: TokenRequest) -> GrantType:
    name = request.parameters.get("grant_type")
    if name is None:
        raise InvalidRequest("grant_type is missing")
    grant_type = GRANTS.get(name)
    if grant_type is None:
        raise UnsupportedGrantType(f"grant_type must be one of {', '.join(GRANTS)}")
    if name not in request.client.grant_types:
        raise UnauthorizedClient("grant_type is not one that this client is registered for")
    if grant_type.REQUIRES_CLIENT_AUTH and request.client.token_endpoint_auth_method == "none":
        raise UnauthorizedClient("grant_type: this one needs a client that authenticates; register a token_endpoint_auth_method")
    return grant_type


async def _check_holder(authorization: Authorization, services: Services) -> None:
    """The person must still be welcome, and the session alive, whatever the grant."""
    if authorization.account is not None and authorization.account.state is not AccountState.ACTIVE:
        raise InvalidGrant("the grant is no longer valid: log the person in again", detail="the account is suspended")
    session_id = authorization.grant.session_id
    if session_id is not None and await services.store.sessions.get(session_id, services.now) is None:
        raise InvalidGrant("the grant is no longer valid: log the person in again", detail="the session has ended")


async def _store(
    request: TokenRequest, authorization: Authorization, tokens: TokenSet, services: Services, sealed_answer: Callable[[], bytes]
) -> bool:
    """Durable before anything is answered; false when the refresh token was rotated by another request meanwhile."""
    if authorization.account is None:
        # A client's own token says everything itself (idp.tokens.own).
        return True
    if authorization.reused is not None:
        until = services.now + rules_of(request.client).refresh_token_lifetime
        if not await services.store.tokens.reuse(authorization.reused, tokens.access_token_record, until=until):
            raise InvalidGrant("the refresh_token was revoked: log the person in again")
        return True
    if authorization.joined_until is not None:
        await services.store.tokens.add_access_token(tokens.access_token_record)
        return True
    if authorization.rotated is None:
        await services.store.tokens.start_grant(authorization.grant, tokens.access_token_record, tokens.refresh_token_record)
        return True
    if tokens.refresh_token_record is None:
        raise InvalidGrant("the refresh_token is no longer valid: log the person in again", detail="the client lost its right to refresh")
    return await services.store.tokens.rotate(
        authorization.rotated, tokens.refresh_token_record, tokens.access_token_record, services.now, answer=sealed_answer()
    )
