"""Ports of what others must hear of: signals, the messages made of them, and the streams they go by."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from idp.model import Delivery, Signal, Stream


class SignalStore(Protocol):
    """What others must hear of, until it is turned into messages."""

    async def put(self, signal: Signal) -> None: ...
    async def waiting(self, *, at_most: int) -> Sequence[Signal]:
        """Oldest first."""
        ...

    async def spread(self, signal_id: str, deliveries: Sequence[Delivery]) -> bool:
        """Put messages in the place of a signal, atomically; false (and no change) when another process has done it."""
        ...


class DeliveryStore(Protocol):
    """Messages to services and streams, tried again until they are heard."""

    async def claim(self, now: datetime, *, lease: timedelta, at_most: int) -> Sequence[Delivery]:
        """Waiting ones that are due. Each is nobody else's until the lease is over: who is killed meanwhile loses nothing."""
        ...

    async def settle(self, *deliveries: Delivery) -> None:
        """Store what became of them; one that is gone stays gone."""
        ...

    async def of_account(self, account_id: str, now: datetime) -> Sequence[Delivery]:
        """About a person, newest first; kept for a week."""
        ...

    async def put(self, delivery: Delivery) -> None: ...
    async def held(self, recipient: str, *, at_most: int) -> Sequence[Delivery]:
        """What a recipient has not come for yet, oldest first."""
        ...

    async def take(self, recipient: str, ids: Sequence[str], now: datetime, fault: str = "") -> Sequence[Delivery]:
        """Settle held messages that the recipient names: heard, or given up with its ``fault``; returns those that were its own."""
        ...

    async def hold(self, recipient: str) -> None:
        """Keep what waits to be sent for when the recipient wants it again."""
        ...

    async def release(self, recipient: str, now: datetime) -> None:
        """Send what was kept, from now on."""
        ...

    async def drop(self, recipient: str) -> None:
        """Forget what waits or is kept for a recipient."""
        ...


class StreamStore(Protocol):
    """Streams of security events, one for a client at most."""

    async def get(self, stream_id: str) -> Stream | None: ...
    async def of_client(self, client_id: str) -> Stream | None: ...
    async def all(self) -> Sequence[Stream]: ...
    async def create(self, stream: Stream) -> bool:
        """False (and no change) when the client has one already."""
        ...

    async def put(self, stream: Stream) -> None:
        """Store a changed one; one that is gone stays gone."""
        ...

    async def delete(self, stream_id: str) -> None: ...
