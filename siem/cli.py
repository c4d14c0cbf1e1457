"""The command ``siem``: serve, replay, check rules and playbooks, grant roles.

Exit status: 0 all well, 1 findings (each printed with file, line and field), 2 wrong use or configuration.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from siem.errors import DataError, OperationError
from siem.settings import Settings, load

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Veilleur’s watch.")
rules_app = typer.Typer(no_args_is_help=True, help="Sigma rules.")
playbooks_app = typer.Typer(no_args_is_help=True, help="Playbooks and declaration forms.")
users_app = typer.Typer(no_args_is_help=True, help="People of the console and their roles.")
app.add_typer(rules_app, name="rules")
app.add_typer(playbooks_app, name="playbooks")
app.add_typer(users_app, name="users")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def _settings() -> Settings:
    try:
        return load()
    except ValueError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)


def _report(errors: list[DataError], *, as_json: bool, checked: str) -> None:
    """Print what is wrong, each on its line; exit 1 when there is anything."""
    if as_json:
        typer.echo(
            json.dumps([{"path": e.path, "line": e.line, "field": e.field, "problem": e.problem} for e in errors], ensure_ascii=False)
        )
    else:
        for error in errors:
            typer.echo(str(error))
        typer.echo(f"{checked}: {len(errors)} problem(s)" if errors else f"{checked}: no problem")
    if errors:
        raise typer.Exit(1)


@app.command()
def serve() -> None:
    """Receive, detect and serve the console until interrupted."""
    import uvicorn

    from siem.app import create_app

    settings = _settings()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        application = create_app(settings)
    except (DataError, OperationError) as error:
        _fail(f"the watch cannot start: {error}")
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        timeout_graceful_shutdown=3,
    )


@users_app.command("apply")
def users_apply(file: Annotated[Path, typer.Argument(help="YAML list of {national_id, name, roles, finess}: the whole truth.")]) -> None:
    """Grant roles as the file says; who is no longer in it loses access at once."""
    from siem.console import users
    from siem.store.database import Database
    from siem.store.migrations import migrate

    settings = _settings()
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = f"sqlite:///{settings.state / 'watch.sqlite'}"
    try:
        migrate(url)
        applied = users.apply(Database(url), file)
    except (DataError, OperationError) as error:
        _fail(str(error))
    typer.echo(f"{applied.added} added, {applied.changed} changed, {applied.removed} removed, {applied.unchanged} unchanged")


if __name__ == "__main__":
    app()
