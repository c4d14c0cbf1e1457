"""``authorization_code`` (RFC 6749 §4.1.3, RFC 7636 §4.6): a code counts once; shown again it ends what it gave."""

from typing import Final

from idp import pkce
from idp.errors import InvalidGrant, InvalidRequest
from idp.grants.phases import Authorization, Services, TokenRequest
from idp.model import AuthorizationCode, Cause, Grant, Initiator
from idp.tokens.issuer import hash_token
from vocabulary.audit import AuditAction, Outcome

GRANT_TYPE = "authorization_code"
PARAMETERS = frozenset({"code", "redirect_uri", "code_verifier"})
REQUIRES_CLIENT_AUTH = False

#: Said of a code that is none, whatever it was.
UNKNOWN_CODE: Final = "the code is unknown, expired or used: begin the login again"
_REPLAYED = Cause(initiator=Initiator.POLICY, reason="a code already used was shown again")


async def authorize(request: TokenRequest, services: Services) -> Authorization:
    """Spend the code first, then judge it: a guess or a thief never gets a second try with the same code.

    The price is that a client that errs (wrong verifier) must log its person in again.
    """
    value = request.parameters.get("code")
    if value is None:
        raise InvalidRequest("code is missing")
    code_hash = hash_token(value)
    code = await services.store.codes.consume(code_hash, services.now)
    if code is None:
        await _revoke_if_replayed(code_hash, request, services)
        raise InvalidGrant(UNKNOWN_CODE)
    _check_binding(code, request)
    account = await services.store.accounts.get(code.account_id)
    if account is None:
        raise InvalidGrant("the code is no longer valid: begin the login again", detail="the account is gone")
    return Authorization(
        grant=_grant(code, services), account=account, bound_jkt=code.dpop_jkt, consumed=AuditAction.AUTHORIZATION_CODE_CONSUMED
    )


def _check_binding(code: AuthorizationCode, request: TokenRequest) -> None:
    if code.client_id != request.client.client_id:
        raise InvalidGrant(UNKNOWN_CODE, detail="the code was issued to another client")
    if request.parameters.get("redirect_uri") != code.redirect_uri:
        raise InvalidGrant("redirect_uri differs from that of the authorization request")
    pkce.verify(code.code_challenge, request.parameters.get("code_verifier"))


def _grant(code: AuthorizationCode, services: Services) -> Grant:
    return Grant(
        id=code.grant_id,
        client_id=code.client_id,
        account_id=code.account_id,
        session_id=code.session_id,
        scope=code.scope,
        resources=code.resources,
        id_token_claims=code.id_token_claims,
        userinfo_claims=code.userinfo_claims,
        authorization_details=code.authorization_details,
        nonce=code.nonce,
        acr=code.acr,
        acr_requested=code.acr_requested,
        amr=code.amr,
        method=code.method,
        auth_time=code.auth_time,
        created_at=services.now,
    )


async def _revoke_if_replayed(code_hash: str, request: TokenRequest, services: Services) -> None:
    """RFC 9700 §4.5: whoever shows a spent code, one of the two who had it is not the client."""
    grant_id = await services.store.codes.consumed_grant(code_hash)
    if grant_id is None:
        return
    await services.store.tokens.revoke_grant(grant_id, services.now, _REPLAYED)
    grant = await services.store.tokens.get_grant(grant_id)
    account = await services.store.accounts.get(grant.account_id) if grant and grant.account_id else None
    services.audit.record(
        AuditAction.AUTHORIZATION_CODE_REPLAYED,
        Outcome.FAILURE,
        {
            "event.reason": "a code already used was shown again; its tokens are revoked",
            "user.id": account.national_id if account else None,
            "health.relying_party.id": request.client.client_id,
            "health.session.id": grant.session_id if grant else None,
            "health.grant.id": grant_id,
            "source.ip": request.source_ip,
        },
    )
