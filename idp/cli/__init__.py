"""The command line ``idp``: set up, serve, and administer keys, clients and accounts of one provider.

One module per group of commands. Exit status: 0 done, 1 findings (a broken audit log), 2 wrong use, settings or state. What only one
command needs is imported by it, so that `idp serve` answers within a second.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idp.cli import accounts, audit, clients, keys
from idp.cli.accounts import apply_accounts, read_people_file
from idp.cli.check import check
from idp.cli.clients import SecretsOption, hand_over, known_secrets, read_clients_file
from idp.cli.context import faults, with_state
from idp.cli.dev import dev
from idp.cli.doctor import doctor
from idp.cli.serving import serve
from idp.settings import load

if TYPE_CHECKING:
    from idp.state import State

app = typer.Typer(help="Veilleur's identity provider.", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.command()(serve)
app.command()(dev)
app.command()(check)
app.command()(doctor)
app.command("apply")(clients.clients_apply)
app.command("export")(clients.clients_export)
app.add_typer(keys.app, name="keys")
app.add_typer(clients.app, name="clients")
app.add_typer(accounts.app, name="accounts")
app.add_typer(audit.app, name="audit")


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

    async def make(state: "State") -> tuple[list[str], dict[str, str]]:
        made = await clients.apply(state, wanted, known)
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
