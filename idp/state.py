"""What a provider keeps in its folder (store, keys, audit log), opened without anything of the web: commands need no more."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from idp.audit import AuditLog
from idp.keys import KeyRing, Seal, SecurityModule, Token
from idp.store import Store
from idp.store.sqlite import SqliteStore
from idp.store.sqlite_file import Synchronous


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The parts, open; the keys are read by whoever needs them (``keys.load``, ``keys.create_missing``)."""

    store: Store
    keys: KeyRing
    audit: AuditLog
    clock: Callable[[], datetime]

    async def close(self) -> None:
        """Finish what is being written, then close both files."""
        await self.store.close()
        self.keys.close()
        self.audit.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlaces:
    """Where what keeps secrets is: the file of the seal key, and the token that has the signing keys, where there is one."""

    seal_key: Path
    may_create_seal_key: bool
    token: Token | None = None


def open_state(
    folder: Path,
    *,
    places: KeyPlaces,
    issuer: str,
    clock: Callable[[], datetime],
    synchronous: Synchronous = "full",
    store: Store | None = None,
) -> State:
    """Open what ``folder`` holds, or begin it; ``store`` stands in for the embedded one.

    Raises :class:`idp.errors.OperationError` when the folder, the store or the seal key cannot be used.
    """
    store = store or SqliteStore(folder / "idp.sqlite", synchronous=synchronous)
    if places.may_create_seal_key and not places.seal_key.exists():
        Seal.create_file(places.seal_key)
    module = SecurityModule(places.token) if places.token else None
    keys = KeyRing(store.keys, Seal.from_file(places.seal_key), clock, module)
    audit = AuditLog(folder / "audit.ndjson", clock=clock, provider=issuer)
    return State(store=store, keys=keys, audit=audit, clock=clock)
