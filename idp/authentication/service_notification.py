"""Telling services that their person has answered (CIBA §10.2, ping): once, at the endpoint they registered.

A notification carries nothing but the ``auth_req_id``; a service that missed it still polls. It is never sent again,
whatever the answer, and never follows a redirect.
"""

import asyncio

import orjson

from idp.authentication.device_login import Doors
from idp.errors import OperationError
from idp.model import Approval, AwaitedRequest
from idp.outbound import Outbound
from vocabulary.audit import AuditAction, Outcome


async def notify_answered(doors: Doors, outbound: Outbound) -> None:
    """Send what waits to be sent, each to its service, without waiting for one another."""
    claimed = await doors.store.awaited.claim_notifications(doors.clock())
    await asyncio.gather(*(_notify(doors, outbound, request, approval) for request, approval in claimed))


async def _notify(doors: Doors, outbound: Outbound, request: AwaitedRequest, approval: Approval) -> None:
    client = await doors.store.clients.get(request.client_id)
    if client is None or client.disabled or client.backchannel_client_notification_endpoint is None:
        return
    try:
        status = await outbound.post(
            client.backchannel_client_notification_endpoint,
            headers={"Authorization": f"Bearer {request.notification_token}"},
            body=orjson.dumps({"auth_req_id": request.notified_handle}),
        )
        fault = "" if status in (200, 204) else f"the notification endpoint answered {status}"
    except OperationError as error:
        fault = str(error)
    doors.audit.record(
        AuditAction.BACKCHANNEL_LOGIN_NOTIFIED,
        Outcome.FAILURE if fault else Outcome.SUCCESS,
        {"event.reason": fault, "health.relying_party.id": request.client_id, "health.approval.id": approval.id},
    )
