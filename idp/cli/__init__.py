"""The command line ``idp``: set up, serve, and administer keys, clients and accounts of one provider.

One module per group of commands. Exit status: 0 done, 1 findings (a broken audit log), 2 wrong use, settings or state. What only one
command needs is imported by it, so that `idp serve` answers within a second.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idp.cli import accounts, audit, clients, keys
from idp.cli.accounts import apply_accounts, read_people_file
from idp.cli.clients import SecretsOption, hand_over, known_secrets, read_clients_file
from idp.cli.context import faults, with_state
from idp.errors import OperationError
from idp.settings import Settings, load

if TYPE_CHECKING:
    from idp.state import State

app = typer.Typer(help="Veilleur's identity provider.", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(keys.app, name="keys")
app.add_typer(clients.app, name="clients")
app.add_typer(accounts.app, name="accounts")
app.add_typer(audit.app, name="audit")


@app.command()
def serve() -> None:
    """Answer requests until interrupted."""
    import gc
    import logging

    import uvicorn

    from idp.app import create_app
    from idp.listener import BoundedProtocol

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    with faults():
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
    clients_file: Annotated[
        Path | None, typer.Option("--clients", help="YAML file of clients to apply at once.", exists=True, dir_okay=False)
    ] = None,
    accounts_file: Annotated[
        Path | None, typer.Option("--accounts", help="YAML file of people to apply at once.", exists=True, dir_okay=False)
    ] = None,
    secrets_out: SecretsOption = None,
) -> None:
    """Make the state folder, the seal key and the signing keys; what is there already stays."""
    from idp.keys import Seal

    with faults():
        settings = load()
        wanted = read_clients_file(clients_file) if clients_file else []
        people = read_people_file(accounts_file) if accounts_file else []
        known = known_secrets(secrets_out)
        settings.state.mkdir(parents=True, exist_ok=True)
        settings.state.chmod(0o700)
        if not settings.seal_key.exists():
            Seal.create_file(settings.seal_key)
            typer.echo(f"seal key: {settings.seal_key} (back it up: without it no signing key can be opened)")

    from idp.registration import apply_clients

    async def make(state: "State") -> tuple[list[str], dict[str, str]]:
        made = await apply_clients(state.store.clients, state.audit, wanted, known)
        await apply_accounts(state, people)
        return [key.kid for key in state.keys.keys], made

    kids, made = with_state(make, create_keys=True)
    for kid in kids:
        typer.echo(f"signing key: {kid}")
    hand_over(made, known, secrets_out)


@app.command()
def migrate() -> None:
    """Bring the store to the schema of this version."""

    async def work(state: "State") -> None:
        await state.store.migrate()

    with_state(work)
    typer.echo("the store has the schema of this version")
