"""The pushed authorization request endpoint (RFC 9126): a client hands over its request before it sends the browser."""

import secrets
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.authentication import best_acr
from idp.authorization import AuthorizationRequest, check_pushed
from idp.authorization.check_request_object import PUSHED_PREFIX
from idp.authorization.request import KEPT_PARAMETERS
from idp.endpoints.answers import json_answer
from idp.endpoints.refusals import explained
from idp.endpoints.request_once import refuse_second_use
from idp.endpoints.sender import nonce_header, proof_header, prove_client, prove_key
from idp.errors import InvalidDpopProof, OAuthError
from idp.http import read_form
from idp.model import Client, PushedRequest
from idp.provider import Provider, provider_of
from idp.tokens.issuer import hash_token
from vocabulary.audit import AuditAction, AuditValue, Outcome

_PATH: Final = "/protocol/openid-connect/ext/par/request"


async def push(request: Request) -> Response:
    """POST. The client proves itself as at the token endpoint (§2.1); what it asks is checked now, and again with the browser."""
    provider = provider_of(request)
    form = await read_form(request)
    return await explained(request, provider, "pushed_authorization", form, _push(request, provider, form))


async def _push(request: Request, provider: Provider, form: dict[str, str]) -> Response:
    source_ip = provider.sources(request)
    now = provider.clock()
    client = await provider.client_keys.of(await prove_client(request, provider, form), form.get("request"))
    asked = AuthorizationRequest(
        parameters={**form, "client_id": client.client_id},
        now=now,
        issuer=provider.issuer,
        found_client=client,
        pushing=True,
        detail_types=provider.detail_types,
        best_acr=best_acr(provider.methods),
    )
    try:
        check_pushed(asked)
        bound = _bound_key(asked, await prove_key(request, provider, client, now))
        await refuse_second_use(provider.store.counters, asked)
    except OAuthError as error:
        _record(provider, AuditAction.AUTHORIZATION_REFUSED, client, source_ip, error)
        raise
    reference = secrets.token_urlsafe(32)
    await provider.store.pushed_requests.put(
        PushedRequest(
            request_hash=hash_token(reference),
            client_id=client.client_id,
            parameters={name: value for name, value in asked.parameters.items() if name in KEPT_PARAMETERS} | bound,
            expires_at=now + provider.lifetimes.pushed_request,
        )
    )
    _record(provider, AuditAction.AUTHORIZATION_PUSHED, client, source_ip, None)
    seconds = int(provider.lifetimes.pushed_request.total_seconds())
    headers = nonce_header(provider, client, proof_header(request), now)
    return json_answer({"request_uri": f"{PUSHED_PREFIX}{reference}", "expires_in": seconds}, 201, headers)


def _bound_key(asked: AuthorizationRequest, proved: str | None) -> dict[str, str]:
    """What a proof adds to the request: its key is that of the code (RFC 9449 §10.1). It and ``dpop_jkt`` must name the same."""
    if proved is None:
        return {}
    if asked.get("dpop_jkt") not in (None, proved):
        raise InvalidDpopProof("dpop_jkt must be the thumbprint of the key that signs the DPoP proof")
    return {"dpop_jkt": proved}


def _record(provider: Provider, action: AuditAction, client: Client, source_ip: str, error: OAuthError | None) -> None:
    fields: dict[str, AuditValue | None] = {
        "health.relying_party.id": client.client_id,
        "health.structure.finess": client.structure_finess,
        "source.ip": source_ip,
    }
    if error is not None:
        fields["event.reason"] = f"pushed: {error.error}: {error.description}" + (f" ({error.detail})" if error.detail else "")
    provider.audit.record(action, Outcome.FAILURE if error else Outcome.SUCCESS, fields)


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}{_PATH}", push, methods=["POST"])]
