"""Whether the person must first be shown who asks for what (OpenID Connect Core §3.1.2.4).

A service that the operator registered was agreed to by registering it. One that registered itself (RFC 7591) is nobody's word but its
own: each person sees it once, before the first code. ``prompt=consent`` shows any service, each time.
"""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from idp.authorization.request import AskConsent, AuthorizationRequest
from idp.errors import ConsentRequired
from idp.model import Client, Consent


def require_consent(request: AuthorizationRequest) -> AskConsent | None:
    """With ``prompt=none`` no screen may be shown (§3.1.2.6)."""
    if request.account is None:
        raise AssertionError("require_login comes first")
    client, account_id = request.proved_client, request.account.id
    if "consent" not in request.prompt:
        wanted = wanted_consent(client, account_id, request.parameters, request.now)
        if client.registered_at is None or (request.consent is not None and request.consent.covers(wanted)):
            return None
    if request.interaction is not None and request.interaction.consented_account_id == account_id:
        return None
    if "none" in request.prompt:
        raise ConsentRequired("the person must be shown who asks for what: ask without prompt=none")
    return AskConsent()


def wanted_consent(client: Client, account_id: str, asked: Mapping[str, str], now: datetime) -> Consent:
    """What the person is asked to agree to; who asks for single claims may get whatever the registered scope covers."""
    scope = frozenset(asked.get("scope", "").split())
    parts = urlsplit(asked.get("redirect_uri", ""))
    return Consent(
        account_id=account_id,
        client_id=client.client_id,
        client_name=client.client_name,
        place=parts.netloc or f"{parts.scheme}:",
        scope=scope | client.scope if "claims" in asked else scope,
        given_at=now,
    )
