"""From what happened to who must hear of it."""

from typing import Final

from idp.clock import ordered_id
from idp.model import Delivery, DeliveryKind, Signal, SignalKind
from idp.signals.security_events import events_of
from idp.signals.services import Services

#: Signals turned into messages in one round.
_ROUND: Final = 100


async def spread(services: Services) -> None:
    """Turn what waits into messages. A kill before a signal's turn leaves it for the next round; nothing is told twice."""
    for signal in await services.store.signals.waiting(at_most=_ROUND):
        messages = [*await _logouts(signal, services), *await events_of(signal, services)]
        await services.store.signals.spread(signal.id, messages)


async def _logouts(signal: Signal, services: Services) -> list[Delivery]:
    """One logout token for each client of the session that registered where to hear of it (Back-Channel Logout §2.5)."""
    if signal.kind is SignalKind.CREDENTIAL_CHANGED:
        return []
    now = services.clock()
    found = [await services.store.clients.get(client_id) for client_id in signal.client_ids]
    return [
        Delivery(
            id=ordered_id(now),
            kind=DeliveryKind.BACKCHANNEL_LOGOUT,
            recipient=client.client_id,
            created_at=signal.at,
            due_at=now,
            account_id=signal.account_id,
            session_id=signal.session_id,
        )
        for client in found
        if client is not None and client.backchannel_logout_uri is not None
    ]
