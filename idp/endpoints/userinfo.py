"""The userinfo endpoint (OpenID Connect Core §5.3), by GET or POST."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.endpoints.access import require_access
from idp.endpoints.answers import json_answer
from idp.endpoints.sender import nonce_header, proof_header
from idp.errors import InsufficientScope, InvalidToken
from idp.people.claims import psc_userinfo
from idp.profiles import rules_of
from idp.provider import Provider, provider_of
from idp.tokens.claims import userinfo_claims
from idp.tokens.live import Access
from vocabulary.audit import AuditAction, Outcome


async def userinfo(request: Request) -> Response:
    """Claims of the person, as far as the token's scope goes."""
    provider = provider_of(request)
    access = await require_access(request)
    if "openid" not in access.record.scope:
        raise InsufficientScope(
            "the token was not granted openid", headers={"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="openid"'}
        )
    claims = _claims(provider, access)
    if access.record.confirmation:
        claims["cnf"] = access.record.confirmation
    provider.audit.record(
        AuditAction.USERINFO_RELEASED,
        Outcome.SUCCESS,
        {
            "user.id": access.account.national_id if access.account else None,
            "source.ip": provider.sources(request),
            "health.relying_party.id": access.client.client_id,
            "health.session.id": access.grant.session_id,
            "health.token.id": access.record.jti,
            "health.claims.count": len(claims),
        },
    )
    return json_answer(claims, headers=nonce_header(provider, access.client, proof_header(request), provider.clock()))


def _claims(provider: Provider, access: Access) -> dict[str, object]:
    account = access.account
    if account is None:
        raise InvalidToken("the token is not a person's")
    sub = provider.tokens.subject(access.client, account)
    if rules_of(access.client).psc_userinfo and "scope_all" in access.record.scope:
        return psc_userinfo(account, access.grant.method or "", sub=sub, acr=access.grant.acr or "")
    return userinfo_claims(account, access.record.scope, sub=sub)


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/userinfo", userinfo, methods=["GET", "POST"])]
