"""The command line ``idp``: set up, serve, and administer keys, clients and accounts of one provider.

Exit status: 0 done, 1 findings (a broken audit log), 2 wrong use, settings or state. What only one command
needs is imported by it, so that `idp serve` answers within a second.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from idp.errors import OperationError
from idp.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from idp.model import Client
    from idp.provider import Provider

T = TypeVar("T")

app = typer.Typer(help="Veilleur's identity provider.", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
keys_app = typer.Typer(help="Signing keys.", no_args_is_help=True)
clients_app = typer.Typer(help="Relying parties.", no_args_is_help=True)
accounts_app = typer.Typer(help="People and their phones.", no_args_is_help=True)
audit_app = typer.Typer(help="The audit log.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(clients_app, name="clients")
app.add_typer(accounts_app, name="accounts")
app.add_typer(audit_app, name="audit")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def _faults() -> "Iterator[None]":
    """Wrong settings, files and state are told in one line, not by a traceback."""
    try:
        yield
    except (OperationError, ValueError) as error:
        typer.echo(f"idp: {error}", err=True)
        raise typer.Exit(2) from error


def _with_provider(work: "Callable[[Provider], Awaitable[T]]", *, create_keys: bool = False) -> T:
    """Open the provider of the settings, do one thing, close it."""
    from idp.app import build_provider

    async def run() -> T:
        provider = build_provider(load())
        try:
            if create_keys:
                await provider.keys.create_missing()
            else:
                await provider.keys.load()
            return await work(provider)
        finally:
            await provider.store.close()
            provider.audit.close()

    with _faults():
        return asyncio.run(run())


@app.command()
def serve() -> None:
    """Answer requests until interrupted."""
    import logging

    import uvicorn

    from idp.app import create_app

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    with _faults():
        settings = load()
        _check_port(settings)
        application = create_app(settings)
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        # The source address is ours to decide (IDP_TRUSTED_PROXIES), not the server's.
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


def _check_port(settings: Settings) -> None:
    import socket

    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise OperationError(
                f"listening ({error.strerror}; choose another port with IDP_PORT)", f"{settings.host}:{settings.port}", retry_helps=False
            ) from error


@app.command()
def init() -> None:
    """Make the state folder, the seal key and the signing keys; what is there already stays."""
    from idp.keys import Seal

    with _faults():
        settings = load()
        settings.state.mkdir(parents=True, exist_ok=True)
        settings.state.chmod(0o700)
        if not settings.seal_key.exists():
            Seal.create_file(settings.seal_key)
            typer.echo(f"seal key: {settings.seal_key} (back it up: without it no signing key can be opened)")

    async def make(provider: "Provider") -> list[str]:
        return [key.kid for key in provider.keys.keys]

    for kid in _with_provider(make, create_keys=True):
        typer.echo(f"signing key: {kid}")


@app.command()
def migrate() -> None:
    """Bring the store to the schema of this version."""

    async def work(provider: "Provider") -> None:
        await provider.store.migrate()

    _with_provider(work)
    typer.echo("the store has the schema of this version")


@keys_app.command("list")
def keys_list(as_json: JsonOption = False) -> None:
    """Every signing key with its life: created, signs from, leaves the JWK set."""

    async def work(provider: "Provider") -> list[dict[str, str | None]]:
        return [
            {
                "kid": key.kid,
                "alg": key.alg,
                "created_at": key.created_at.isoformat(),
                "active_at": key.active_at.isoformat(),
                "removed_at": key.removed_at.isoformat() if key.removed_at else None,
            }
            for key in provider.keys.keys
        ]

    _print_rows(_with_provider(work), as_json=as_json)


@keys_app.command("rotate")
def keys_rotate(
    alg: Annotated[str, typer.Option(help="RS256, ES256 or all.")] = "all",
    lead_hours: Annotated[float, typer.Option(min=0, help="Hours between publication and first signature; 0 for an emergency.")] = 24,
) -> None:
    """Publish a new key that takes over later; the old one leaves the JWK set a day after that. A running server follows within 10 s."""
    from idp.keys.signing_key import ALGORITHMS
    from vocabulary.audit import AuditAction, Outcome

    if alg not in (*ALGORITHMS, "all"):
        raise typer.BadParameter(f"alg must be one of {', '.join(ALGORITHMS)} or all")

    async def work(provider: "Provider") -> list[str]:
        made = []
        for algorithm in ALGORITHMS:
            if alg in (algorithm, "all"):
                key = await provider.keys.rotate(algorithm, lead=timedelta(hours=lead_hours))
                provider.audit.record(
                    AuditAction.KEY_ROTATED, Outcome.SUCCESS, {"event.reason": f"{algorithm} key {key.kid}", "health.actor.id": "cli"}
                )
                made.append(f"{algorithm} {key.kid} signs from {key.active_at.isoformat()}")
        await provider.keys.remove_retired()
        return made

    for line in _with_provider(work):
        typer.echo(line)


@clients_app.command("list")
def clients_list(as_json: JsonOption = False) -> None:
    """Every relying party."""

    async def work(provider: "Provider") -> list[dict[str, str | None]]:
        return [
            {
                "client_id": c.client_id,
                "client_name": c.client_name,
                "profile": str(c.profile),
                "auth": c.token_endpoint_auth_method,
                "disabled": str(c.disabled).lower(),
            }
            for c in await provider.store.clients.all()
        ]

    _print_rows(_with_provider(work), as_json=as_json)


@clients_app.command("apply")
def clients_apply(
    file: Annotated[Path, typer.Argument(help="YAML file of clients.", exists=True, dir_okay=False)],
    secrets_out: Annotated[Path | None, typer.Option(help="Where new secrets are written, for the owner's eyes alone.")] = None,
) -> None:
    """Register or update the clients of a file; secrets are made where there are none, and shown once."""
    from idp.registration import read_clients

    with _faults():
        clients = read_clients(file)
        known: dict[str, str] = json.loads(secrets_out.read_text("utf-8")) if secrets_out and secrets_out.exists() else {}
    made = _with_provider(lambda provider: _apply(provider, clients, known))
    if secrets_out is not None:
        _write_private(secrets_out, json.dumps({**known, **made}, indent=2) + "\n")
    elif made:
        typer.echo(json.dumps(made, indent=2))
    typer.echo(f"{len(clients)} clients applied, {len(made)} secrets made", err=True)


@clients_app.command("add")
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
    with _faults():
        client = parse_client(entry, client_id)
    for secret in _with_provider(lambda provider: _apply(provider, [client], {})).values():
        typer.echo(secret)


async def _apply(provider: "Provider", clients: "list[Client]", known: dict[str, str]) -> dict[str, str]:
    """Store the clients; returns the secrets that were made. A secret already given keeps its value."""
    from idp.registration import hash_client_secret, make_secret, needs_secret
    from vocabulary.audit import AuditAction, Outcome

    made: dict[str, str] = {}
    for client in clients:
        present = await provider.store.clients.get(client.client_id)
        secret_hash: str | None = None
        if needs_secret(client):
            secret_hash = present.client_secret_hash if present else None
            if client.client_id in known:
                secret_hash = hash_client_secret(known[client.client_id])
            elif secret_hash is None:
                made[client.client_id], secret_hash = make_secret()
        client = replace(client, client_secret_hash=secret_hash)
        if client != present:
            await provider.store.clients.put(client)
            provider.audit.record(
                AuditAction.CLIENT_CHANGED, Outcome.SUCCESS, {"health.relying_party.id": client.client_id, "health.actor.id": "cli"}
            )
    return made


@accounts_app.command("apply")
def accounts_apply(file: Annotated[Path, typer.Argument(help="YAML file of people.", exists=True, dir_okay=False)]) -> None:
    """Create or update the people of a file; the state of an account that exists (suspended) stays."""
    from idp.people.file import read_people

    with _faults():
        people = read_people(file)

    async def work(provider: "Provider") -> None:
        async def put(account: Any) -> None:
            present = await provider.store.accounts.find_by_national_id(account.national_id)
            await provider.store.accounts.put(replace(account, id=present.id, state=present.state) if present else account)

        await asyncio.gather(*(put(account) for account in people))

    _with_provider(work)
    typer.echo(f"{len(people)} accounts applied", err=True)


@accounts_app.command("enrol")
def accounts_enrol(national_id: str, as_json: JsonOption = False) -> None:
    """Give a person the right to enrol one phone: prints the activation code and the address to open."""
    from idp.authentication.enrolment import new_enrolment

    async def work(provider: "Provider") -> dict[str, str | None]:
        account = await provider.store.accounts.find_by_national_id(national_id)
        if account is None:
            raise OperationError("finding an account with this national identifier", national_id, retry_helps=False)
        code, enrolment = new_enrolment(account.id, provider.clock(), provider.lifetimes.enrolment)
        await provider.store.devices.grant_enrolment(enrolment)
        return {
            "activation_code": code,
            "url": f"{provider.base_url}/phone/enrol?code={code}",
            "expires_at": enrolment.expires_at.isoformat(),
        }

    _print_rows([_with_provider(work)], as_json=as_json)


@audit_app.command("verify")
def audit_verify(file: Annotated[Path, typer.Argument(help="The log, or a copy of it.", exists=True, dir_okay=False)]) -> None:
    """Check the chain of hashes: says where a line was changed, removed or added."""
    from idp.audit import BrokenLink, verify

    count = 0
    for result in verify(file):
        if isinstance(result, BrokenLink):
            typer.echo(f"{file}:{result.line}: {result.reason}", err=True)
            raise typer.Exit(1)
        count = result
    typer.echo(f"{count} events, chain unbroken")


def _print_rows(rows: list[dict[str, str | None]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        typer.echo("  ".join(f"{name}={value}" for name, value in row.items() if value is not None))


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as out:
        out.write(text)
    path.chmod(0o600)


if __name__ == "__main__":
    app()
