"""``idp clients``: relying parties."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idp.cli.context import JsonOption, faults, print_rows, with_state, write_private

if TYPE_CHECKING:
    from idp.model import Client
    from idp.state import State

app = typer.Typer(help="Relying parties.", no_args_is_help=True)

SecretsOption = Annotated[Path | None, typer.Option(help="Where new secrets are written, for the owner's eyes alone.")]


@app.command("list")
def clients_list(as_json: JsonOption = False) -> None:
    """Every relying party."""

    async def work(state: "State") -> list[dict[str, str | None]]:
        return [
            {
                "client_id": c.client_id,
                "client_name": c.client_name,
                "profile": str(c.profile),
                "auth": c.token_endpoint_auth_method,
                "disabled": str(c.disabled).lower(),
            }
            for c in await state.store.clients.all()
        ]

    print_rows(with_state(work), as_json=as_json)


@app.command("apply")
def clients_apply(
    file: Annotated[Path, typer.Argument(help="YAML file of clients.", exists=True, dir_okay=False)],
    secrets_out: SecretsOption = None,
    plan_only: Annotated[bool, typer.Option("--plan", help="Only say what would change; exit status 1 when something would.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Disable the clients that the file does not name.")] = False,
) -> None:
    """Make the clients what a file says, and say what that changes; secrets are made where there are none, and shown once."""
    from idp.registration import apply_clients
    from idp.registration.plan import Change, Kind, plan

    with faults():
        clients = read_clients_file(file)
        known = known_secrets(secrets_out)

    async def work(state: "State") -> tuple[list[Change], dict[str, str]]:
        changes = plan(await state.store.clients.all(), clients, prune=prune)
        disabled = [change.client for change in changes if change.kind is Kind.DISABLED]
        made = {} if plan_only else await apply_clients(state.store.clients, state.audit, [*clients, *disabled], known)
        return changes, made

    changes, made = with_state(work)
    for change in changes:
        typer.echo(f"{change.client.client_id}: {change.kind}", err=not plan_only)
        for name, before, after in change.members:
            typer.echo(f"  {name}: {_written(before)} → {_written(after)}", err=not plan_only)
    if plan_only:
        typer.echo(f"{len(changes)} of {len(clients)} clients would change" if changes else "nothing would change")
        raise typer.Exit(1 if changes else 0)
    hand_over(made, known, secrets_out)
    typer.echo(f"{len(clients)} clients applied, {len(changes)} changed, {len(made)} secrets made", err=True)


def _written(value: object) -> str:
    return "–" if value is None else json.dumps(value, ensure_ascii=False)


@app.command("export")
def clients_export(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write; by default the screen.")] = None,
) -> None:
    """Write every client as the file that would register it, without secrets: applying it changes nothing."""
    from idp.registration.document import text_of

    async def work(state: "State") -> str:
        return text_of(await state.store.clients.all())

    text = with_state(work)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, "utf-8")


@app.command("add")
def clients_add(
    client_id: str,
    client_name: Annotated[str, typer.Option("--name", help="Shown on the login page.")],
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Exactly as the client sends it; may be repeated.")] = None,
    profile: Annotated[str, typer.Option(help="psc, baseline or fapi2.")] = "baseline",
    scope: Annotated[str, typer.Option(help="Values the client may ask for.")] = "openid",
    grant_type: Annotated[list[str] | None, typer.Option(help="May be repeated; by default authorization_code.")] = None,
    auth_method: Annotated[str, typer.Option(help="token_endpoint_auth_method.")] = "client_secret_basic",
) -> None:
    """Register one client and print its secret, once."""
    from idp.registration import apply_clients, parse_client

    entry = {
        "client_id": client_id,
        "client_name": client_name,
        "redirect_uris": redirect_uri or [],
        "profile": profile,
        "scope": scope,
        "grant_types": grant_type or ["authorization_code"],
        "token_endpoint_auth_method": auth_method,
    }
    with faults():
        client = parse_client(entry, client_id)
    for secret in with_state(lambda state: apply_clients(state.store.clients, state.audit, [client], {})).values():
        typer.echo(secret)


def read_clients_file(file: Path) -> "list[Client]":
    """The clients of a YAML file."""
    from idp.registration import read_clients

    return read_clients(file)


def known_secrets(secrets_out: Path | None) -> dict[str, str]:
    """Secrets that the file holds already: they are kept, whoever wrote them."""
    known: dict[str, str] = json.loads(secrets_out.read_text("utf-8")) if secrets_out and secrets_out.exists() else {}
    return known


def hand_over(made: dict[str, str], known: dict[str, str], secrets_out: Path | None) -> None:
    """Give the secrets that were made to whoever ran the command: in a private file, or on the screen."""
    if secrets_out is not None:
        write_private(secrets_out, json.dumps({**known, **made}, indent=2) + "\n")
    elif made:
        typer.echo(json.dumps(made, indent=2))
