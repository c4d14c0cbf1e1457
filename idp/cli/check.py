"""``idp check``: what is asked of a client, and whether it is met."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from idp.cli.context import JsonOption, with_state
from idp.errors import OperationError
from idp.settings import load

if TYPE_CHECKING:
    from idp.compliance import Finding
    from idp.state import State

_MARKS = {"met": "✓", "not met": "✗", "advised": "△", "the service's to show": "?"}
_WIDTH = max(map(len, _MARKS))


def check(
    client_id: str,
    against: Annotated[
        list[str] | None, typer.Option(help="rfc9700, fapi2 or psc; may be repeated. By default what goes with the client's profile.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say of each rule of RFC 9700, FAPI 2.0 and Pro Santé Connect whether a client meets it, and why; exit status 1 when not."""
    from idp.compliance import LISTS, Subject, Verdict, judge, lists_for

    unknown = [name for name in against or () if name not in LISTS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(LISTS)}", param_hint="--against")

    async def work(state: "State") -> "list[Finding]":
        client = await state.store.clients.get(client_id)
        if client is None:
            raise OperationError("finding this client", client_id, retry_helps=False)
        names = tuple(against) if against else lists_for(client)
        return list(judge(Subject(client, load().issuer), names))

    found = with_state(work)
    if as_json:
        rows = [
            {"source": one.requirement.source, "title": one.requirement.title, "verdict": one.verdict, "reason": one.reason}
            for one in found
        ]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print(found)
    if any(one.verdict is Verdict.NOT_MET for one in found):
        raise typer.Exit(1)


def _named(one: "Finding") -> dict[str, str]:
    return {"source": one.requirement.source, "title": one.requirement.title}


def _print(found: "list[Finding]") -> None:
    for one in found:
        typer.echo(f"{_MARKS[one.verdict]} {one.verdict:<{_WIDTH}}  {one.requirement.source}: {one.requirement.title}")
        typer.echo(f"  {'':<{_WIDTH}}  {one.reason}")
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in _MARKS}
    typer.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
