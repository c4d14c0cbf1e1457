"""``idp audit``."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The audit log.", no_args_is_help=True)


@app.command("verify")
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
