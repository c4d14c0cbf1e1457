"""Revocation (RFC 7009): a client gives up a token of its own; a refresh token takes its whole grant with it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.endpoints.refusals import explained
from idp.endpoints.sender import prove_client
from idp.errors import InvalidRequest
from idp.http import read_form
from idp.model import Client
from idp.provider import Provider, provider_of
from idp.tokens.issuer import hash_token
from idp.tokens.live import find_record
from vocabulary.audit import AuditAction, AuditValue, Outcome


async def revoke(request: Request) -> Response:
    """POST. 200 also for a token that is unknown or over (§2.2); another client's is refused (§2.1), whatever became of it.

    A service that holds a token of somebody else would otherwise believe it dead. A public client, which anybody can be, is told nothing.
    """
    provider = provider_of(request)
    form = await read_form(request)
    return await explained(request, provider, "revocation", form, _revoke_token(request, provider, form))


async def _revoke_token(request: Request, provider: Provider, form: dict[str, str]) -> Response:
    source_ip = provider.sources(request)
    client = await prove_client(request, provider, form)
    token = form.get("token")
    if token is None:
        raise InvalidRequest("token is missing")
    fields = await _revoke(provider, client, token)
    if fields is not None:
        provider.audit.record(
            AuditAction.TOKEN_REVOKED, Outcome.SUCCESS, {"source.ip": source_ip, "health.relying_party.id": client.client_id, **fields}
        )
    return Response(b"", 200)


async def _revoke(provider: Provider, client: Client, token: str) -> dict[str, AuditValue | None] | None:
    """What was revoked, for the audit log; None when there was nothing of this client's."""
    now = provider.clock()
    refresh_token = await provider.store.tokens.get_refresh_token(hash_token(token))
    if refresh_token is not None:
        grant = await provider.store.tokens.get_grant(refresh_token.grant_id)
        if grant is None or not _may_revoke(client, grant.client_id):
            return None
        await provider.store.tokens.revoke_grant(grant.id, now)
        return {"health.grant.id": grant.id, "health.session.id": grant.session_id}
    record = await find_record(provider.tokens, provider.store, token, now)
    if record is None or not _may_revoke(client, record.client_id):
        return None
    await provider.store.tokens.revoke_access_token(record.jti, now, expires_at=record.expires_at)
    return {"health.token.id": record.jti, "health.grant.id": record.grant_id, "health.session.id": record.session_id}


def _may_revoke(client: Client, owner: str) -> bool:
    if client.client_id == owner:
        return True
    if client.token_endpoint_auth_method == "none":
        return False
    raise InvalidRequest("the token was issued to another client: that client must revoke it")


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/revoke", revoke, methods=["POST"])]
