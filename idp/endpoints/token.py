"""The token endpoint (RFC 6749 §3.2): parse, authenticate the client, and hand over to the phases of :mod:`idp.grants`."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp import grants
from idp.endpoints.answers import json_answer
from idp.endpoints.refusals import explained
from idp.endpoints.sender import certificate_of, nonce_header, nonces, proof_header, prove_client, urls
from idp.endpoints.spoiled import spoil_tokens
from idp.grants.phases import Services, TokenRequest
from idp.http import read_form
from idp.provider import Provider, provider_of


async def token(request: Request) -> Response:
    """POST."""
    provider = provider_of(request)
    form = await read_form(request)
    return await explained(request, provider, "token", form, _token(request, provider, form))


async def _token(request: Request, provider: Provider, form: dict[str, str]) -> Response:
    now = provider.clock()
    source_ip = provider.sources(request)
    client = await prove_client(request, provider, form)
    services = Services(
        store=provider.store,
        tokens=provider.tokens,
        audit=provider.audit,
        lifetimes=provider.lifetimes,
        now=now,
        nonces=nonces(provider),
        subject_issuers=provider.subject_issuers,
    )
    proof = proof_header(request)
    asked = TokenRequest(
        client=client,
        parameters=form,
        source_ip=source_ip,
        proof=proof,
        urls=urls(request, provider) if proof else frozenset(),
        certificate=certificate_of(request, provider),
    )
    body = await spoil_tokens(provider, client, await grants.run(asked, services))
    return json_answer(body, headers=nonce_header(provider, client, proof, now))


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/token", token, methods=["POST"])]
