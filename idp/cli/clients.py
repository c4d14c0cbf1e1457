"""``idp clients``: relying parties."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idp.cli.context import JsonOption, faults, print_rows, with_state, write_private
from idp.settings import load

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
    from idp.registration.plan import Change, Kind, plan

    with faults():
        clients = read_clients_file(file)
        known = known_secrets(secrets_out)

    async def work(state: "State") -> tuple[list[Change], dict[str, str]]:
        changes = plan(await state.store.clients.all(), clients, prune=prune)
        disabled = [change.client for change in changes if change.kind is Kind.DISABLED]
        made = {} if plan_only else await apply(state, [*clients, *disabled], known)
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
    from idp.registration import parse_client

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
    for secret in with_state(lambda state: apply(state, [client], {})).values():
        typer.echo(secret)


@app.command("initial-token")
def clients_initial_token(
    label: Annotated[str, typer.Argument(help="Whom it is for; written in the audit log when it is used.")],
    scope: Annotated[str, typer.Option(help="Values that the clients may be registered for.")] = "openid",
    grant_type: Annotated[list[str] | None, typer.Option(help="May be repeated; by default authorization_code.")] = None,
    profile: Annotated[str, typer.Option(help="psc, baseline or fapi2.")] = "baseline",
    structure: Annotated[
        tuple[str, str] | None, typer.Option(help="Name and FINESS of the establishment, as the login page shows it.")
    ] = None,
    uses: Annotated[int, typer.Option(min=1, max=1000, help="How many clients it may register.")] = 1,
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 90, help="How long it counts.")] = 24,
) -> None:
    """Make a token with which clients register themselves (IDP_CLIENT_REGISTRATION), and print it, once."""
    from datetime import timedelta

    from idp.model import GRANT_TYPES, InitialAccessToken, Profile
    from idp.registration.dynamic import new_token
    from vocabulary.audit import AuditAction, Outcome

    grant_types = tuple(grant_type or ["authorization_code"])
    if unknown := set(grant_types) - set(GRANT_TYPES):
        raise typer.BadParameter(f"{min(unknown)} is not one of {', '.join(GRANT_TYPES)}")
    if profile not in list(Profile):
        raise typer.BadParameter(f"profile must be one of {', '.join(Profile)}")
    if not label.isprintable() or not 0 < len(label) <= 100:
        raise typer.BadParameter("the label must be 1 to 100 printable characters")

    async def work(state: "State") -> str:
        value, token_hash = new_token()
        now = state.clock()
        token = InitialAccessToken(
            token_hash=token_hash,
            label=label,
            scope=frozenset(scope.split()),
            grant_types=grant_types,
            profile=Profile(profile),
            structure_name=structure[0] if structure else None,
            structure_finess=structure[1] if structure else None,
            use_count=uses,
            created_at=now,
            expires_at=now + timedelta(hours=hours),
        )
        await state.store.clients.put_initial_token(token)
        reason = f"initial access token {label}: {uses} uses until {token.expires_at.isoformat(timespec='seconds')}"
        state.audit.record(AuditAction.CLIENT_CHANGED, Outcome.SUCCESS, {"event.reason": reason, "health.actor.id": "cli"})
        return value

    typer.echo(with_state(work))


async def apply(state: "State", clients: "list[Client]", known: dict[str, str]) -> dict[str, str]:
    """Check what can only be checked elsewhere, then store; returns the secrets that were made."""
    from idp.outbound import Outbound
    from idp.registration import apply_clients
    from idp.registration.sector import check_sector_document

    settings = load()
    outbound = Outbound(allow_loopback=settings.outbound_loopback, authorities=settings.outbound_authorities_file)
    for client in (client for client in clients if not client.disabled):
        await check_sector_document(client, outbound)
    return await apply_clients(state.store.clients, state.audit, clients, known)


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
