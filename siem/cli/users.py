"""``siem users``."""

from pathlib import Path
from typing import Annotated

import typer

from siem.cli.context import fail, settings
from siem.errors import DataError, OperationError

app = typer.Typer(no_args_is_help=True, help="People of the console and their roles.")


@app.command("apply")
def users_apply(file: Annotated[Path, typer.Argument(help="YAML list of {national_id, name, roles, finess}: the whole truth.")]) -> None:
    """Grant roles as the file says; who is no longer in it loses access at once."""
    from siem.console import users
    from siem.store.database import Database
    from siem.store.migrations import migrate

    state = settings().state
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = f"sqlite:///{state / 'watch.sqlite'}"
    try:
        migrate(url)
        applied = users.apply(Database(url), file)
    except (DataError, OperationError) as error:
        fail(str(error))
    typer.echo(f"{applied.added} added, {applied.changed} changed, {applied.removed} removed, {applied.unchanged} unchanged")
