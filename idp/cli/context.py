"""What every command needs: the state folder of the settings, faults in one line, rows as text or JSON, private files."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from idp.errors import OperationError
from idp.settings import Settings, load

if TYPE_CHECKING:
    from idp.state import State

T = TypeVar("T")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def faults() -> Iterator[None]:
    """Wrong settings, files and state are told in one line, not by a traceback."""
    try:
        yield
    except (OperationError, ValueError) as error:
        typer.echo(f"idp: {error}", err=True)
        raise typer.Exit(2) from error


def with_state(work: "Callable[[State], Awaitable[T]]", *, create_keys: bool = False, settings: Settings | None = None) -> T:
    """Open the state folder of the settings (by default those of the environment), do one thing, close it."""
    from idp.clock import Clock
    from idp.keys.security_module import signing_token
    from idp.state import KeyPlaces, open_state

    async def run() -> T:
        chosen = settings or load()
        state = open_state(
            chosen.state,
            places=KeyPlaces(
                seal_key=chosen.seal_key,
                may_create_seal_key=chosen.development,
                token=signing_token(chosen.pkcs11_module, chosen.pkcs11_label, chosen.pkcs11_pin_file),
            ),
            issuer=chosen.issuer,
            clock=Clock(lambda: datetime.now(UTC), start_at=chosen.clock_start),
            synchronous=chosen.store_synchronous,
        )
        try:
            if create_keys:
                await state.keys.create_missing()
            else:
                await state.keys.load()
            return await work(state)
        finally:
            await state.close()

    with faults():
        return asyncio.run(run())


def print_rows(rows: list[dict[str, str | None]], *, as_json: bool) -> None:
    """Rows as a person reads them, or as JSON."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        typer.echo("  ".join(f"{name}={value}" for name, value in row.items() if value is not None))


def write_private(path: Path, text: str) -> None:
    """A file that its owner alone reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as out:
        out.write(text)
    path.chmod(0o600)
