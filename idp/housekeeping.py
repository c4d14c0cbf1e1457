"""What the provider does by itself while it runs: put on the disk, take up, forget, tell."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from idp import sessions, signals
from idp.authentication.device_login import end_unanswered
from idp.authentication.service_notification import notify_answered
from idp.endpoints.backchannel_push import compose_push
from idp.endpoints.doors import doors_of, signal_services
from idp.errors import OperationError
from idp.provider import Provider

_LOG = logging.getLogger("idp")
_SETTLE_SECONDS: Final = 1.0
_RELOAD_SECONDS: Final = 1.0
_EXPIRE_SECONDS: Final = 60.0
_NOTIFY_SECONDS: Final = 0.5


def chores(provider: Provider) -> Sequence[Coroutine[Any, Any, None]]:
    """One coroutine for each chore, which ends only when it is cancelled."""
    return (
        every(_SETTLE_SECONDS, partial(settle, provider)),
        every(_RELOAD_SECONDS, provider.keys.load),
        every(_EXPIRE_SECONDS, partial(_expire, provider)),
        every(_NOTIFY_SECONDS, partial(notify, provider)),
        every(_NOTIFY_SECONDS, partial(_tell, provider)),
    )


async def settle(provider: Provider) -> None:
    """What may be lost in a power cut is at most a second old."""
    await provider.store.settle()
    await asyncio.to_thread(provider.audit.sync)


async def _expire(provider: Provider) -> None:
    """Sessions end in the audit log before their rows go; questions have (:func:`notify`)."""
    await sessions.end_expired(provider.store, provider.audit, provider.clock(), provider.lifetimes)
    await provider.store.expire(provider.clock())


async def _tell(provider: Provider) -> None:
    """Services hear within a second of what ended, or later when they do not answer."""
    services = signal_services(provider)
    await signals.spread(services)
    await signals.deliver(services)


async def notify(provider: Provider) -> None:
    """Services hear within a second that their person answered, or that nobody did in time."""
    await end_unanswered(doors_of(provider))
    await notify_answered(doors_of(provider), provider.outbound, partial(compose_push, provider))


async def every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    """Housekeeping goes on whatever one round meets: the next request that needs the store says what is wrong."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except (OperationError, OSError):
            _LOG.exception("housekeeping failed; trying again in %s s", seconds)
