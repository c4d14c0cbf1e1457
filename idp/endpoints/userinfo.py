"""The userinfo endpoint (OpenID Connect Core §5.3), by GET or POST."""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.endpoints.access import demand_login, require_access
from idp.endpoints.answers import json_answer
from idp.endpoints.sender import nonce_header, proof_header
from idp.errors import InsufficientScope, InvalidToken
from idp.people.claims import psc_userinfo
from idp.profiles import rules_of
from idp.provider import Provider, provider_of
from idp.tokens.claims import requested_claims, userinfo_claims
from idp.tokens.live import Access
from idp.tokens.step_up import LoginRequirement
from idp.tokens.told import as_told
from vocabulary.audit import AuditAction, Outcome

_INTERACTION: Final = "x-fapi-interaction-id"


async def userinfo(request: Request) -> Response:
    """Claims of the person, as far as the token's scope goes."""
    provider = provider_of(request)
    access = await require_access(request)
    if "openid" not in access.record.scope:
        raise InsufficientScope(
            "the access token lacks the scope openid: ask for it in the login",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="openid"'},
        )
    if access.account is not None:
        demand_login(provider, access, _requirement(access))
    claims = _claims(provider, access)
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
    headers = nonce_header(provider, access.client, proof_header(request), provider.clock()) | _interaction(request)
    if access.client.userinfo_signed_response_alg is None:
        return json_answer(claims, headers=headers)
    client = await provider.client_keys.of(access.client)
    return Response(await provider.tokens.sign_userinfo(client, claims), headers=headers, media_type="application/jwt")


def _interaction(request: Request) -> dict[str, str]:
    """The service's name of this exchange, given back where it is a UUID, or one of ours (FAPI 1.0 Baseline §6.2.1, 11)."""
    try:
        name = UUID(request.headers.get(_INTERACTION, ""))
    except ValueError:
        name = uuid4()
    return {_INTERACTION: str(name)}


def _requirement(access: Access) -> LoginRequirement:
    rules = rules_of(access.client)
    return LoginRequirement(acr=rules.userinfo_acr or None, max_age=timedelta(seconds=rules.userinfo_max_age_seconds))


def _claims(provider: Provider, access: Access) -> dict[str, object]:
    account = access.account
    if account is None:
        raise InvalidToken("the access token is not a person's: use one that came of a login")
    sub, rules = provider.tokens.subject(access.client, account), rules_of(access.client)
    if rules.psc_userinfo and "scope_all" in access.record.scope:
        claims = psc_userinfo(account, access.grant.method or "", sub=sub, acr=access.grant.acr or "")
    else:
        claims = userinfo_claims(account, access.record.scope, sub=sub)
    # A token got by exchange is another client's, which asked for no single claims.
    names = access.grant.userinfo_claims if access.grant.client_id == access.client.client_id else frozenset()
    wished = requested_claims(access.client, names, access.grant, account, rules, sub=sub)
    return as_told({**wished, **claims}, access.grant, rules)


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/userinfo", userinfo, methods=["GET", "POST"])]
