"""What is pushed to a service whose person has answered (CIBA §10.3): the token response, or the error in its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from idp import grants
from idp.errors import ExpiredToken, OAuthError, RequestDenied
from idp.grants import backchannel
from idp.grants.phases import Services, TokenRequest
from idp.model import Approval, AwaitedRequest, Client
from idp.provider import Provider
from idp.tokens.live import find_record

#: Whatever ends a login that the person neither refused nor let pass (§12): of the token endpoint's own words these services know none.
_FAILED: Final = "transaction_failed"


@dataclass(frozen=True, slots=True)
class Push:
    """A document to send; tokens that do not arrive end at once, as nobody could give them back."""

    provider: Provider
    document: Mapping[str, Any]

    async def lost(self) -> None:
        """End the grant of an access token that the service never got."""
        token = self.document.get("access_token")
        now = self.provider.clock()
        record = await find_record(self.provider.tokens, self.provider.store, token, now) if isinstance(token, str) else None
        if record is not None:
            await self.provider.store.tokens.revoke_grant(record.grant_id, now)


async def compose_push(provider: Provider, client: Client, request: AwaitedRequest, approval: Approval) -> Push:
    """Walk the phases of the token endpoint as the service would have by polling; every refusal is an error of §12."""
    services = Services(
        store=provider.store, tokens=provider.tokens, audit=provider.audit, lifetimes=provider.lifetimes, now=provider.clock()
    )
    parameters = {"grant_type": backchannel.GRANT_TYPE, "auth_req_id": request.notified_handle or ""}
    asked = TokenRequest(
        client=await provider.client_keys.of(client), parameters=parameters, source_ip=approval.source_ip, pushed_as=request.notified_handle
    )
    try:
        return Push(provider, await grants.run(asked, services))
    except OAuthError as error:
        told = error.error if isinstance(error, RequestDenied | ExpiredToken) else _FAILED
        return Push(provider, {"error": told, "error_description": error.description})
