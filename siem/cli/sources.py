"""``siem sources``: what is wrong with the list of log sources, and what it says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from siem.cli.context import AsJson, console, report, settings
from siem.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siem.sources.source import SourceSettings

app = typer.Typer(no_args_is_help=True, help="Log sources.")


@app.command("check")
def sources_check(
    file: Annotated[Path | None, typer.Argument(help="The list of sources; by default the watch’s (SIEM_SOURCES_FILE).")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with each source: file, line, field and reason; and after how long each is held for silent."""
    from datetime import timedelta

    from siem.sources import SOURCES
    from siem.sources.configuration import read_sources, unreadable_files

    chosen = settings()
    path = file or chosen.sources_file
    sources: Sequence[SourceSettings] = ()
    try:
        sources, problems = read_sources(path, SOURCES, silent_after=timedelta(seconds=chosen.source_silence_seconds))
        problems += unreadable_files(path, sources)
    except DataError as error:
        problems = [error]
    if not as_json and sources:
        _print_table(sources)
    report(problems, as_json=as_json, checked="sources")


def _print_table(sources: "Sequence[SourceSettings]") -> None:
    from rich.table import Table

    table = Table("source", "type", "service", "establishment", "comes by", "silent after", title=None, expand=False)
    for one in sources:
        by = "http" if one.file is None else str(one.file)
        table.add_row(*map(escape, (one.name, one.type, one.service, one.finess or "", by, str(one.silent_after))))
    console().print(table)
