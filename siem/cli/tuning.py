"""``siem rules tune``: a filter from the alerts that people closed as false."""

import getpass
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from siem.cli.context import console, fail, open_database, pipelines, rule_folders, settings

if TYPE_CHECKING:  # the stores and the engine take long to import
    from siem.detection.load import Ruleset
    from siem.store.database import Database
    from siem.store.events import EventStore
    from siem.tuning.proposal import Proposal, Tuning


def rules_tune(
    rule: Annotated[str, typer.Argument(help="Id, name, file or title of the rule, or its begin.")],
    owner: Annotated[str, typer.Option(help="Who answers for the filter.")] = "",
    reason: Annotated[str, typer.Option(help="Why it is right to hide these.")] = "",
    expires: Annotated[str, typer.Option(help="Last day whose events it hides, such as 2027-01-31; at most a year away.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Write it into the operator’s folder; otherwise it is only shown.")] = False,
) -> None:
    """Propose the smallest filter that hides the alerts closed as false, and prove that those closed as true still fire.

    Exit status 1: nothing to propose, or the proof does not hold. A watch that runs holds its events: use its console, or stop it first.
    """
    from siem.access import Principal, Role
    from siem.detection.naming import find_rule
    from siem.errors import DataError, OperationError
    from siem.incidents.model import NotFound, Refused
    from siem.store.events import EventStore
    from siem.tuning.proposal import Signature

    if write and not (owner and reason and expires):
        fail("--write needs --owner, --reason and --expires: a filter says who answers for it, why, and until when")
    actor = Principal("cli", f"Ligne de commande ({getpass.getuser()})", frozenset({Role.RESPONSABLE}))
    database, events = open_database(), None
    try:
        events = EventStore(settings().state / "events.duckdb")
        tuning = _tuning(database, events)
        proposal = tuning.propose(find_rule(tuning.load(()), rule, alerting=True).id, actor)
        _show(proposal)
        if not proposal.holds:
            raise typer.Exit(1)
        if write:
            signature = Signature(owner, reason, date.fromisoformat(expires))
            typer.echo(f"written: {tuning.write(proposal.rule.id, proposal.fingerprint, signature, actor)}")
    except Refused as refused:
        fail(f"{refused.field}: {refused.problem}")
    except ValueError as error:
        fail(f"--expires: {error}")
    except (NotFound, DataError, OperationError) as error:
        fail(str(error))
    finally:
        if events is not None:
            events.close()
        database.close()


def _tuning(database: "Database", events: "EventStore") -> "Tuning":
    from siem.detection.folders import OWN
    from siem.detection.load import load_rules
    from siem.tuning.proposal import Tuning

    known = pipelines()

    def load(more: Sequence[Path]) -> "Ruleset":
        return load_rules(*rule_folders(None), *more, sources=known.sources)

    return Tuning(database, events, load, settings().state / OWN, lambda: datetime.now(UTC))


def _show(proposal: "Proposal") -> None:
    from rich.table import Table

    if not proposal.conditions:
        typer.echo("nothing to propose: no alert of this rule was closed as false, or nothing tells them from the others")
        return
    for condition in proposal.conditions:
        typer.echo(f"  {condition.field} = {condition.value}")
    table = Table("alert", "subject", "verdict", "as it is", "with the filter")
    for one in (*proposal.true, *proposal.false, *proposal.others):
        after = "cannot be told" if not one.fired else "[yellow]hidden[/yellow]" if one.hidden else "fires"
        verdict = one.alert.verdict.value if one.alert.verdict else one.alert.state.value
        table.add_row(one.alert.id, escape(one.alert.subject), verdict, "fires" if one.fired else "does not fire", after)
    console().print(table)
    kept = len(proposal.true) - len(proposal.lost) - len(proposal.unproved)
    typer.echo(
        f"hides {len(proposal.hides)} of {len(proposal.false)} closed as false; {kept} closed as true still fire, {len(proposal.lost)} lost"
    )
    if proposal.unproved:
        typer.echo(f"{len(proposal.unproved)} closed as true could not be proved: their events are no longer stored")
