"""Doors on a SQLite store in a temporary folder, with two people and a clock that stands still."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from idp.audit import AuditLog
from idp.authentication.device_approval import Origin
from idp.authentication.device_login import Doors
from idp.authentication.enrolment import new_enrolment
from idp.model import Account, AccountKind, AccountState, Client, Interaction, Limits
from idp.store.sqlite import SqliteStore

START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
BROWSER, PHONE = Origin("203.0.113.7", "Firefox"), Origin("192.0.2.9", "Phone")
CLIENT = Client(client_id="dossier", client_name="Dossier patient")
CAMILLE = Account(id="camille", kind=AccountKind.PROFESSIONAL, national_id="899700000005")
VICTOR = Account(id="victor", kind=AccountKind.PROFESSIONAL, national_id="899700000138", state=AccountState.SUSPENDED)


@dataclass(slots=True)
class Setting:
    """What a test acts on."""

    doors: Doors
    folder: Path
    now: list[datetime]

    def advance(self, seconds: float) -> None:
        self.now[0] += timedelta(seconds=seconds)

    def actions(self) -> list[str]:
        return [event["event.action"] for event in self.events()]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "audit.ndjson").read_text("utf-8").splitlines()]

    async def interaction(self, interaction_id: str = "i-1") -> Interaction:
        """A stored interaction as it stands, made when it is not there yet."""
        found = await self.doors.store.interactions.get(interaction_id, self.now[0])
        if found is None:
            end = self.now[0] + timedelta(minutes=10)
            found = Interaction(
                id=interaction_id, request={}, client_id="dossier", browser_hash="h", created_at=self.now[0], expires_at=end
            )
            await self.doors.store.interactions.put(found)
        return found

    async def activation_code(self, account_id: str = "camille") -> str:
        code, enrolment = new_enrolment(account_id, self.now[0], timedelta(hours=1))
        await self.doors.store.devices.grant_enrolment(enrolment)
        return code


def with_doors(folder: Path, scenario: Callable[[Setting], Coroutine[Any, Any, None]], limits: Limits | None = None) -> None:
    """Run a scenario on fresh doors."""

    async def run() -> None:
        now = [START]
        store = SqliteStore(folder / "idp.sqlite")
        audit = AuditLog(folder / "audit.ndjson", clock=lambda: now[0], provider="https://idp.example")
        doors = Doors(
            store=store,
            audit=audit,
            clock=lambda: now[0],
            pepper=bytes(range(32)),
            limits=limits or Limits(),
            approval_lifetime=timedelta(seconds=120),
        )
        try:
            for account in (CAMILLE, VICTOR):
                await store.accounts.put(account)
            await scenario(Setting(doors, folder, now))
        finally:
            await store.close()
            audit.close()

    asyncio.run(run())
