"""``idp keys``: signing keys."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from idp.cli.context import JsonOption, print_rows, with_state

if TYPE_CHECKING:
    from idp.state import State

app = typer.Typer(help="Signing keys.", no_args_is_help=True)


@app.command("list")
def keys_list(as_json: JsonOption = False) -> None:
    """Every signing key with its life: created, signs from, leaves the JWK set."""

    async def work(state: "State") -> list[dict[str, str | None]]:
        return [
            {
                "kid": key.kid,
                "alg": key.alg,
                "created_at": key.created_at.isoformat(),
                "active_at": key.active_at.isoformat(),
                "removed_at": key.removed_at.isoformat() if key.removed_at else None,
            }
            for key in state.keys.keys
        ]

    print_rows(with_state(work), as_json=as_json)


@app.command("withdraw")
def keys_withdraw(
    kid: Annotated[str, typer.Argument(help="As «idp keys list» says it.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")],
) -> None:
    """Publish a stolen key no more, at once: what it signed is worth nothing here any more. A running server follows within seconds."""
    from vocabulary.audit import AuditAction, Outcome

    async def work(state: "State") -> str:
        successor = await state.keys.withdraw(kid)
        fields = {"event.reason": f"key {kid}: {reason}", "health.actor.id": "cli"}
        state.audit.record(AuditAction.KEY_WITHDRAWN, Outcome.SUCCESS, fields)
        await state.keys.remove_retired()
        return f"{kid} is withdrawn; {successor.alg} {successor.kid} signs. Services that keep keys must read the JWK set again."

    typer.echo(with_state(work))


@app.command("rotate")
def keys_rotate(
    alg: Annotated[str, typer.Option(help="RS256, ES256 or all.")] = "all",
    lead_hours: Annotated[float, typer.Option(min=0, help="Hours between publication and first signature; 0 for an emergency.")] = 24,
) -> None:
    """Publish a new key that takes over later; the old one leaves the JWK set a day after that. A running server follows within seconds."""
    from idp.keys.signing_key import ALGORITHMS
    from vocabulary.audit import AuditAction, Outcome

    if alg not in (*ALGORITHMS, "all"):
        raise typer.BadParameter(f"alg must be one of {', '.join(ALGORITHMS)} or all")

    async def work(state: "State") -> list[str]:
        made = []
        for algorithm in ALGORITHMS:
            if alg in (algorithm, "all"):
                key = await state.keys.rotate(algorithm, lead=timedelta(hours=lead_hours))
                state.audit.record(
                    AuditAction.KEY_ROTATED, Outcome.SUCCESS, {"event.reason": f"{algorithm} key {key.kid}", "health.actor.id": "cli"}
                )
                made.append(f"{algorithm} {key.kid} signs from {key.active_at.isoformat()}")
        await state.keys.remove_retired()
        return made

    for line in with_state(work):
        typer.echo(line)
