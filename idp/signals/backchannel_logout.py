"""One logout token to one service (Back-Channel Logout §2.5 to §2.8)."""

from urllib.parse import urlencode

from idp.model import Delivery
from idp.signals.services import Services, Undeliverable


async def send_logout(delivery: Delivery, services: Services) -> str:
    """What went wrong, empty when the service said that it has logged the person out.

    The token is made anew each time, so that it is never older than a minute. Raises :class:`idp.errors.OperationError` when the
    service cannot be reached, :class:`Undeliverable` when there is none any more.
    """
    client = await services.store.clients.get(delivery.recipient)
    account = await services.store.accounts.get(delivery.account_id or "")
    if client is None or client.disabled or client.backchannel_logout_uri is None:
        raise Undeliverable("the service is not registered for it any more")
    if account is None or delivery.session_id is None:
        raise Undeliverable("the account is gone")
    token = await services.tokens.logout_token(client, account, delivery.session_id)
    status = await services.outbound.post(
        client.backchannel_logout_uri,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode({"logout_token": token}).encode(),
    )
    return "" if status in (200, 204) else f"the service answered {status}"
