"""Telling services that their person has answered (CIBA §10.2, ping; §10.3, push): once, at the endpoint they registered.

A ping carries nothing but the ``auth_req_id``; a service that missed it still polls. A push carries the tokens or the error: what
``compose`` makes of the request. Nothing is sent again, whatever the answer, and no redirect is followed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import orjson

from idp.authentication.device_login import Doors
from idp.errors import OperationError
from idp.model import Approval, AwaitedRequest, Client
from idp.outbound import Outbound
from vocabulary.audit import AuditAction, Outcome


class Pushed(Protocol):
    """What is pushed, and what becomes of it when it does not arrive."""

    @property
    def document(self) -> Mapping[str, object]:
        """What is sent besides the ``auth_req_id``."""
        ...

    async def lost(self) -> None:
        """End what the service never got."""
        ...


Compose = Callable[[Client, AwaitedRequest, Approval], Awaitable[Pushed]]


async def notify_answered(doors: Doors, outbound: Outbound, compose: Compose) -> None:
    """Send what waits to be sent, each to its service, without waiting for one another."""
    claimed = await doors.store.awaited.claim_notifications(doors.clock())
    await asyncio.gather(*(_notify(doors, outbound, compose, request, approval) for request, approval in claimed))


async def _notify(doors: Doors, outbound: Outbound, compose: Compose, request: AwaitedRequest, approval: Approval) -> None:
    client = await doors.store.clients.get(request.client_id)
    if client is None or client.disabled or client.backchannel_client_notification_endpoint is None:
        return
    pushed = await compose(client, request, approval) if client.backchannel_token_delivery_mode == "push" else None
    document = {"auth_req_id": request.notified_handle, **(pushed.document if pushed else {})}
    try:
        status = await outbound.post(
            client.backchannel_client_notification_endpoint,
            headers={"Authorization": f"Bearer {request.notification_token}"},
            body=orjson.dumps(document),
        )
        fault = "" if status in (200, 204) else f"the notification endpoint answered {status}"
    except OperationError as error:
        fault = str(error)
    if fault and pushed is not None:
        await pushed.lost()
    doors.audit.record(
        AuditAction.BACKCHANNEL_LOGIN_NOTIFIED,
        Outcome.FAILURE if fault else Outcome.SUCCESS,
        {"event.reason": fault, "health.relying_party.id": request.client_id, "health.approval.id": approval.id},
    )
