"""``siem playbooks``."""

from pathlib import Path
from typing import Annotated

import typer

from siem.cli.context import PLAYBOOKS, AsJson, folder_of, report
from siem.errors import DataError

app = typer.Typer(no_args_is_help=True, help="Playbooks and declaration forms.")


@app.command("check")
def playbooks_check(
    folder: Annotated[Path, typer.Argument(help="Folder of playbooks and forms.")] = PLAYBOOKS,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with each playbook and each declaration form."""
    from siem.declarations.forms import load_forms
    from siem.response import actions
    from siem.response.load import load_playbooks

    try:
        problems = list(load_playbooks(folder_of(folder) / "response", folder / "schema" / "response.schema.json", actions.ACTIONS).errors)
        problems.extend(load_forms(folder / "declarations").errors)
    except DataError as error:
        problems = [error]
    report(problems, as_json=as_json, checked="playbooks")
