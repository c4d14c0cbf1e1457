"""Sending messages: each on its own, later and later again after a failure, and given up in the open."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from idp.errors import OperationError
from idp.model import Delivery, DeliveryKind, DeliveryState
from idp.signals.backchannel_logout import send_logout
from idp.signals.security_events import push_event
from idp.signals.services import Services, Undeliverable
from vocabulary.audit import AuditAction, Outcome

#: Longer than the one way out allows for an exchange: a message is another process's only when this one was killed.
_LEASE: Final = timedelta(seconds=30)
#: Messages sent at the same time.
_ROUND: Final = 50
_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(hours=1)

#: Each sends one message and returns what went wrong, empty when it was heard.
_SENDERS: Final[Mapping[DeliveryKind, Callable[[Delivery, Services], Awaitable[str]]]] = {
    DeliveryKind.BACKCHANNEL_LOGOUT: send_logout,
    DeliveryKind.SECURITY_EVENT: push_event,
}
_ATTEMPTED: Final = {
    DeliveryKind.BACKCHANNEL_LOGOUT: AuditAction.BACKCHANNEL_LOGOUT_ATTEMPTED,
    DeliveryKind.SECURITY_EVENT: AuditAction.SECURITY_EVENT_ATTEMPTED,
}
_ABANDONED: Final = {
    DeliveryKind.BACKCHANNEL_LOGOUT: AuditAction.BACKCHANNEL_LOGOUT_ABANDONED,
    DeliveryKind.SECURITY_EVENT: AuditAction.SECURITY_EVENT_ABANDONED,
}


async def deliver(services: Services) -> None:
    """Send what is due, without one recipient waiting for another."""
    due = await services.store.deliveries.claim(services.clock(), lease=_LEASE, at_most=_ROUND)
    await asyncio.gather(*(_deliver(delivery, services) for delivery in due))


async def _deliver(delivery: Delivery, services: Services) -> None:
    final = False
    try:
        fault = await _SENDERS[delivery.kind](delivery, services)
    except OperationError as error:
        fault = str(error)
    except Undeliverable as error:
        fault, final = str(error), True
    tried = after_attempt(delivery, fault, services.clock(), horizon=timedelta() if final else services.horizon)
    await services.store.deliveries.settle(tried)
    await record_attempt(tried, services)


def after_attempt(delivery: Delivery, fault: str, now: datetime, *, horizon: timedelta) -> Delivery:
    """The message after one try: heard, to be tried again, or given up when the next try would come after ``horizon``."""
    tried = replace(delivery, attempt_count=delivery.attempt_count + 1, fault=fault)
    if not fault:
        return replace(tried, state=DeliveryState.DELIVERED, settled_at=now)
    due_at = now + min(_FIRST_PAUSE * 3 ** min(delivery.attempt_count, 10), _LONGEST_PAUSE)
    if due_at > delivery.created_at + horizon:
        return replace(tried, state=DeliveryState.ABANDONED, settled_at=now)
    return replace(tried, due_at=due_at)


async def record_attempt(tried: Delivery, services: Services) -> None:
    """What the audit log says of one try, and of giving up."""
    account = await services.store.accounts.get(tried.account_id) if tried.account_id else None
    stream = await services.store.streams.get(tried.recipient) if tried.kind is DeliveryKind.SECURITY_EVENT else None
    fields = {
        "event.reason": tried.fault,
        "user.id": account.national_id if account else None,
        "health.relying_party.id": stream.client_id if stream else tried.recipient,
        "health.session.id": tried.session_id,
        "health.token.id": tried.id if tried.kind is DeliveryKind.SECURITY_EVENT else None,
        "health.delivery.attempt": tried.attempt_count,
    }
    services.audit.record(_ATTEMPTED[tried.kind], Outcome.FAILURE if tried.fault else Outcome.SUCCESS, fields)
    if tried.state is DeliveryState.ABANDONED:
        services.audit.record(_ABANDONED[tried.kind], Outcome.FAILURE, fields)
