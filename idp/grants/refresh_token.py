"""``refresh_token`` (RFC 6749 §6): every use rotates it; a rotated one shown again ends the family (RFC 9700 §4.14.2).

A client whose tokens nobody else can use may keep the same one instead (switch ``refresh_rotation``).
"""

from typing import NoReturn

from idp import sessions
from idp.errors import InvalidGrant, InvalidRequest
from idp.grants.phases import Authorization, Services, TokenRequest, changed
from idp.model import Cause, Grant, Initiator
from idp.profiles import rules_of
from idp.tokens.issuer import hash_token
from vocabulary.audit import AuditAction, Outcome

GRANT_TYPE = "refresh_token"
PARAMETERS = frozenset({"refresh_token", "scope"})
REQUIRES_CLIENT_AUTH = False

_REPLAYED = Cause(initiator=Initiator.POLICY, reason="a refresh token already rotated was shown again")


async def authorize(request: TokenRequest, services: Services) -> Authorization:
    """Find the family; the rotation itself happens with the storing of the new tokens, atomically."""
    value = request.parameters.get("refresh_token")
    if value is None:
        raise InvalidRequest("refresh_token is missing")
    token_hash = hash_token(value)
    token = await services.store.tokens.get_refresh_token(token_hash)
    grant = await services.store.tokens.get_grant(token.grant_id) if token else None
    if token is None or grant is None:
        raise InvalidGrant("the refresh_token is unknown or expired: log the person in again")
    if grant.client_id != request.client.client_id:
        raise InvalidGrant("the refresh_token is unknown or expired: log the person in again", detail="it was issued to another client")
    if grant.revoked_at is not None:
        raise InvalidGrant("the refresh_token was revoked: log the person in again")
    if token.expires_at <= services.now:
        raise InvalidGrant("the refresh_token is unknown or expired: log the person in again")
    account = await services.store.accounts.get(grant.account_id) if grant.account_id else None
    if account is None:
        raise InvalidGrant("the refresh_token is no longer valid: log the person in again", detail="the account is gone")
    rules = rules_of(request.client)
    if not rules.keycloak_claims:
        # The nonce is of the browser's request, which this is none of (OpenID Connect Core §12.2); Keycloak's tokens repeat it.
        grant = changed(grant, nonce=None)
    if token.rotated_at is None:
        await _touch_session(grant, services)
        if not rules.refresh_rotation:
            return Authorization(grant=grant, account=account, reused=token_hash, bound_jkt=grant.dpop_jkt)
    return Authorization(
        grant=grant,
        account=account,
        rotated=token_hash,
        spent=token.rotated_at is not None,
        bound_jkt=grant.dpop_jkt,
        consumed=AuditAction.REFRESH_TOKEN_ROTATED,
    )


async def _touch_session(grant: Grant, services: Services) -> None:
    """A service in use keeps the session from idling out."""
    session = await services.store.sessions.get(grant.session_id, services.now) if grant.session_id else None
    if session is not None:
        await sessions.touch(services.store, session, services.now, services.lifetimes)


async def revoke_family(grant: Grant, services: Services) -> NoReturn:
    """End every token of the family, say so in the audit log, and refuse."""
    await services.store.tokens.revoke_grant(grant.id, services.now, _REPLAYED)
    account = await services.store.accounts.get(grant.account_id) if grant.account_id else None
    services.audit.record(
        AuditAction.REFRESH_TOKEN_REPLAYED,
        Outcome.FAILURE,
        {
            "event.reason": "a refresh token already rotated was shown again; its family is revoked",
            "user.id": account.national_id if account else None,
            "health.relying_party.id": grant.client_id,
            "health.session.id": grant.session_id,
            "health.grant.id": grant.id,
        },
    )
    raise InvalidGrant("the refresh_token was used before, and every token of this login is revoked: log the person in again")
