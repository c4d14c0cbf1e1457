"""``siem indicators allow``: what raises no alert though a set lists it; who answers for that, why, and until when."""

import getpass
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from siem.cli.context import AsJson, console, fail, open_database, settings
from siem.errors import DataError

if TYPE_CHECKING:
    from siem.detection.indicators import Allowed
    from siem.store.filter_hits import Hidden

app = typer.Typer(no_args_is_help=True, help="What raises no alert though a set of indicators lists it.")


@app.command("add")
def add(
    value: Annotated[str, typer.Argument(help="An address, a network, a domain with all under it, a URL or a hash.")],
    owner: Annotated[str, typer.Option(help="Who answers for it.")],
    reason: Annotated[str, typer.Option(help="Why it is right.")],
    expires: Annotated[str, typer.Option(help="Last day whose events it allows, such as 2027-01-31; at most a year away.")],
) -> None:
    """Allow a value, or say anew of one that is allowed who answers for it, why, and until when. A running watch takes it up by itself."""
    from siem.indicators import allow

    try:
        day = date.fromisoformat(expires)
        one = allow.entry(value, owner, reason, day)
        before = allow.allow(_folder(), one, datetime.now(UTC))
    except DataError as error:
        fail(f"--{error.field}: {error.problem}" if error.field and not error.path else str(error))
    except ValueError:
        fail("--expires: a day such as 2027-01-31 is expected")
    except OSError as error:
        fail(f"the allow-list cannot be written: {error.strerror}; what was there before stands")
    _remember(one.value, before.last_day.isoformat() if before else None, expires, reason)
    typer.echo(f"{one.value}: allowed to the end of {expires} (UTC)")


@app.command("remove")
def remove(
    value: Annotated[str, typer.Argument(help="The value of the entry.")],
    reason: Annotated[str, typer.Option(help="Why it is ended.")] = "",
) -> None:
    """End an entry before its time: what it allowed raises alerts again."""
    from siem.indicators import allow

    try:
        ended = allow.disallow(_folder(), value)
    except DataError as error:
        fail(str(error))
    except OSError as error:
        fail(f"the allow-list cannot be written: {error.strerror}; what was there before stands")
    _remember(ended.value, ended.last_day.isoformat(), None, reason)
    typer.echo(f"{ended.value}: no longer allowed")


@app.command("list")
def list_allowed(as_json: AsJson = False) -> None:
    """What is allowed, by whom, until when, and how often it kept an alert from being raised.

    Exit status 1 where an entry has run out, or cannot be honoured.
    """
    from rich.table import Table

    from siem.indicators.allow import FILE, read_allowed

    now = datetime.now(UTC)
    entries, wrong = read_allowed(_folder() / FILE)
    hits = _hits()
    if as_json:
        typer.echo(json.dumps([_shown(one, hits, now) for one in entries], ensure_ascii=False))
    elif entries:
        table = Table("value", "owner", "reason", "last day", "state", title=None, expand=False)
        table.add_column("hits", justify="right")
        table.add_column("last hit")
        for one in entries:
            said = _shown(one, hits, now)
            table.add_row(*(escape(str(text if text is not None else "")) for text in said.values()))
        console().print(table)
    for error in wrong:
        typer.echo(str(error), err=True)
    if wrong or not all(one.holds_at(now) for one in entries):
        raise typer.Exit(1)


def _shown(one: "Allowed", hits: Mapping[str, "list[Hidden]"], now: datetime) -> dict[str, object]:
    mine = hits.get(one.key, [])
    last = max((hit.last_at for hit in mine if hit.last_at), default=None)
    return {
        "value": one.value,
        "owner": one.owner,
        "reason": one.reason,
        "last_day": one.last_day.isoformat(),
        "state": "holds" if one.holds_at(now) else "expired",
        "hit_count": sum(hit.count for hit in mine),
        "last_hit_at": last.isoformat() if last else None,
    }


def _hits() -> dict[str, "list[Hidden]"]:
    """How often filters and entries of the allow-list hid something, by their key."""
    from siem.store import filter_hits

    if not (settings().state / "watch.sqlite").is_file():
        return {}  # no watch has run here yet
    database = open_database()
    try:
        with database.reading() as connection:
            found: dict[str, list[Hidden]] = {}
            for hit in filter_hits.read(connection, None):
                found.setdefault(hit.filter, []).append(hit)
            return found
    finally:
        database.close()


def _remember(value: str, old: str | None, new: str | None, reason: str) -> None:
    """Keep in the history who changed what, and why."""
    from siem.incidents.store import remember_name, write_change

    if not (settings().state / "watch.sqlite").is_file():
        return  # no watch has run here yet
    name = f"Ligne de commande ({getpass.getuser()})"
    database = open_database()
    try:
        with database.transaction() as connection:
            remember_name(connection, "default", "cli", name)
            write_change(connection, ("allow-list", value[:128]), "expires", (old, new), "cli", datetime.now(UTC), reason)
    finally:
        database.close()


def _folder() -> Path:
    from siem.indicators.sets import FOLDER

    return settings().state / FOLDER
