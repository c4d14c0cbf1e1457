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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from idp.errors import OperationError
from idp.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from idp.model import Account, Client
    from idp.state import State

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
SecretsOption = Annotated[Path | None, typer.Option(help="Where new secrets are written, for the owner's eyes alone.")]


@contextmanager
def _faults() -> "Iterator[None]":
    """Wrong settings, files and state are told in one line, not by a traceback."""
    try:
        yield
    except (OperationError, ValueError) as error:
        typer.echo(f"idp: {error}", err=True)
        raise typer.Exit(2) from error


def _with_state(work: "Callable[[State], Awaitable[T]]", *, create_keys: bool = False) -> T:
    """Open the state folder of the settings, do one thing, close it."""
    from idp.clock import Clock
    from idp.state import open_state

    async def run() -> T:
        settings = load()
        state = open_state(
            settings.state,
            seal_key=settings.seal_key,
            may_create_seal_key=settings.development,
            issuer=settings.issuer,
            clock=Clock(lambda: datetime.now(UTC), start_at=settings.clock_start),
            synchronous=settings.store_synchronous,
        )
        try:
            if create_keys:
                await state.keys.create_missing()
            else:
                await state.keys.load()
            return await work(state)
        finally:
            await state.close()

    with _faults():
        return asyncio.run(run())


@app.command()
def serve() -> None:
    """Answer requests until interrupted."""
    import gc
    import logging

    import uvicorn

    from idp.app import create_app
    from idp.listener import BoundedProtocol

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    with _faults():
        settings = load()
        _check_port(settings)
        application = create_app(settings)
    if not (settings.development or settings.trusted_proxies):
        logging.getLogger("idp").warning(
            "IDP_TRUSTED_PROXIES is empty: everyone seems to come from the TLS proxy, and one person's failed attempts limit all"
        )
    # What is loaded by now lives as long as the process: the collector need not look at it again and again.
    gc.freeze()
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        http=BoundedProtocol,
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
def init(
    clients: Annotated[Path | None, typer.Option(help="YAML file of clients to apply at once.", exists=True, dir_okay=False)] = None,
    accounts: Annotated[Path | None, typer.Option(help="YAML file of people to apply at once.", exists=True, dir_okay=False)] = None,
    secrets_out: SecretsOption = None,
) -> None:
    """Make the state folder, the seal key and the signing keys; what is there already stays."""
    from idp.keys import Seal

    with _faults():
        settings = load()
        wanted, people = _read_clients(clients) if clients else [], _read_people(accounts) if accounts else []
        known = _known_secrets(secrets_out)
        settings.state.mkdir(parents=True, exist_ok=True)
        settings.state.chmod(0o700)
        if not settings.seal_key.exists():
            Seal.create_file(settings.seal_key)
            typer.echo(f"seal key: {settings.seal_key} (back it up: without it no signing key can be opened)")

    from idp.registration import apply_clients

    async def make(state: "State") -> tuple[list[str], dict[str, str]]:
        made = await apply_clients(state.store.clients, state.audit, wanted, known)
        await _apply_accounts(state, people)
        return [key.kid for key in state.keys.keys], made

    kids, made = _with_state(make, create_keys=True)
    for kid in kids:
        typer.echo(f"signing key: {kid}")
    _hand_over(made, known, secrets_out)


@app.command()
def migrate() -> None:
    """Bring the store to the schema of this version."""

    async def work(state: "State") -> None:
        await state.store.migrate()

    _with_state(work)
    typer.echo("the store has the schema of this version")


@keys_app.command("list")
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

    _print_rows(_with_state(work), as_json=as_json)


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

    for line in _with_state(work):
        typer.echo(line)


@clients_app.command("list")
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

    _print_rows(_with_state(work), as_json=as_json)


@clients_app.command("apply")
def clients_apply(
    file: Annotated[Path, typer.Argument(help="YAML file of clients.", exists=True, dir_okay=False)],
    secrets_out: SecretsOption = None,
) -> None:
    """Register or update the clients of a file; secrets are made where there are none, and shown once."""
    from idp.registration import apply_clients

    with _faults():
        clients = _read_clients(file)
        known = _known_secrets(secrets_out)
    made = _with_state(lambda state: apply_clients(state.store.clients, state.audit, clients, known))
    _hand_over(made, known, secrets_out)
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
    with _faults():
        client = parse_client(entry, client_id)
    for secret in _with_state(lambda state: apply_clients(state.store.clients, state.audit, [client], {})).values():
        typer.echo(secret)


def _read_clients(file: Path) -> "list[Client]":
    from idp.registration import read_clients

    return read_clients(file)


def _known_secrets(secrets_out: Path | None) -> dict[str, str]:
    """Secrets that the file holds already: they are kept, whoever wrote them."""
    known: dict[str, str] = json.loads(secrets_out.read_text("utf-8")) if secrets_out and secrets_out.exists() else {}
    return known


def _hand_over(made: dict[str, str], known: dict[str, str], secrets_out: Path | None) -> None:
    if secrets_out is not None:
        _write_private(secrets_out, json.dumps({**known, **made}, indent=2) + "\n")
    elif made:
        typer.echo(json.dumps(made, indent=2))


@accounts_app.command("apply")
def accounts_apply(file: Annotated[Path, typer.Argument(help="YAML file of people.", exists=True, dir_okay=False)]) -> None:
    """Create or update the people of a file; the state of an account that exists (suspended) stays."""
    with _faults():
        people = _read_people(file)
    _with_state(lambda state: _apply_accounts(state, people))
    typer.echo(f"{len(people)} accounts applied", err=True)


def _read_people(file: Path) -> "list[Account]":
    from idp.people.file import read_people

    return read_people(file)


async def _apply_accounts(state: "State", people: "list[Account]") -> None:
    """Store the people together; who is there already keeps identifier and state."""

    async def put(account: "Account") -> None:
        present = await state.store.accounts.find_by_national_id(account.national_id or "")
        await state.store.accounts.put(replace(account, id=present.id, state=present.state) if present else account)

    await asyncio.gather(*(put(account) for account in people))


@accounts_app.command("enrol")
def accounts_enrol(national_id: str, as_json: JsonOption = False) -> None:
    """Give a person the right to enrol one phone: prints the activation code and the address to open."""
    from idp.authentication.enrolment import new_enrolment
    from idp.model import Lifetimes

    async def work(state: "State") -> dict[str, str | None]:
        account = await state.store.accounts.find_by_national_id(national_id)
        if account is None:
            raise OperationError("finding an account with this national identifier", national_id, retry_helps=False)
        code, enrolment = new_enrolment(account.id, state.clock(), Lifetimes().enrolment)
        await state.store.devices.grant_enrolment(enrolment)
        return {
            "activation_code": code,
            "url": f"{load().base_url}/phone/enrol?code={code}",
            "expires_at": enrolment.expires_at.isoformat(),
        }

    _print_rows([_with_state(work)], as_json=as_json)


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
