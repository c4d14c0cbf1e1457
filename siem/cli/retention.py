"""``siem retention``: what was removed, what is held, and whether the clock is believed."""

import getpass
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from siem.cli.context import AsJson, console, fail, open_database

if TYPE_CHECKING:
    from siem.access import Principal
    from siem.retention.keeper import Holds

app = typer.Typer(no_args_is_help=True, help="How long events and raw records are kept, and what holds them longer.")

Named = Annotated[str, typer.Argument(help="Number or id of the incident.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the history of the incident.")]


@app.command("status")
def retention_status(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many sweeps, newest first.")] = 20, as_json: AsJson = False
) -> None:
    """Say what was removed lately, which incidents are held, and whether the clock is in doubt (exit status 1)."""
    from rich.table import Table

    sweeps, holds, clock = _holds().status(limit)
    doubted_at = clock[1] if clock else None
    if as_json:
        said = {
            "sweeps": [asdict(one) for one in sweeps],
            "holds": [asdict(one) for one in holds],
            "clock_believed_at": clock and clock[0],
            "clock_doubted_at": doubted_at,
        }
        typer.echo(json.dumps(said, ensure_ascii=False, default=lambda one: one.isoformat()))
    else:
        table = Table("begun", "what", "from before", title=None, expand=False)
        for heading in ("removed", "held"):
            table.add_column(heading, justify="right")
        table.add_column("state")
        for one in sweeps:
            state = "done" if one.ended_at else "goes on, or was cut off"
            counts = str(one.removed_count), str(one.held_count)
            table.add_row(f"{one.begun_at:%Y-%m-%d %H:%M}", one.purpose.value, f"{one.before_at:%Y-%m-%d %H:%M}", *counts, state)
        console().print(table)
        for hold in holds:
            console().print(escape(f"held: {hold.incident_id} since {hold.placed_at:%Y-%m-%d} by {hold.placed_by}: {hold.reason}"))
    if doubted_at is not None:
        typer.echo(f"nothing is removed since {doubted_at.isoformat()}: the clock is in doubt; siem retention trust-clock", err=True)
        raise typer.Exit(1)


@app.command("hold")
def hold_incident(incident: Named, reason: Reason) -> None:
    """Keep everything that an incident rests on, whatever its age, until it is released."""
    from siem.incidents.model import NotFound, Refused

    try:
        typer.echo(f"{_holds().place(incident, reason, _actor())} is held")
    except (NotFound, Refused) as error:
        fail(str(error))


@app.command("release")
def release_incident(incident: Named, reason: Reason) -> None:
    """End the holds on an incident; what is past its time is then removed with the rest."""
    from siem.incidents.model import NotFound, Refused

    try:
        typer.echo(f"{_holds().release(incident, reason, _actor())} is released")
    except (NotFound, Refused) as error:
        fail(str(error))


@app.command("trust-clock")
def trust_clock() -> None:
    """Say that the clock of this machine is right, after it was far from the instant last believed."""
    typer.echo(f"believed: {_holds().trust_clock(_actor()).isoformat()}")


def _holds() -> "Holds":
    from siem.retention.keeper import Holds

    return Holds(open_database(), lambda: datetime.now(UTC))


def _actor() -> "Principal":
    from siem.access import Principal, Role

    return Principal("cli", f"Ligne de commande ({getpass.getuser()})", frozenset({Role.RESPONSABLE}))
