"""What every command needs: the settings, the database, and ways to end that say what is wrong."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from siem.errors import DataError, OperationError
from siem.settings import ROOT, Settings, load, load_rule_settings

if TYPE_CHECKING:  # these take long to import, and most commands need none
    from siem.detection.folders import RuleFolder
    from siem.detection.load import Ruleset
    from siem.detection.logsource import LogSource
    from siem.detection.pipelines import Pipelines
    from siem.store.database import Database

RULES, PLAYBOOKS, PROOFS = ROOT / "rules", ROOT / "playbooks", ROOT / "tests" / "rules"
#: Width of tables where no terminal says its own, in characters.
_WIDTH = 160
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def settings() -> Settings:
    """The settings; wrong ones end the command."""
    try:
        return load()
    except ValueError as error:
        fail(str(error))


def console() -> Console:
    """Where tables are printed."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)


def fail(message: str) -> NoReturn:
    """Wrong use or configuration."""
    typer.echo(message, err=True)
    raise typer.Exit(2)


def report(errors: list[DataError], *, as_json: bool, checked: str, warnings: Sequence[DataError] = ()) -> None:
    """Print what is wrong, each on its line, and what may be; exit 1 when there is anything wrong."""
    if as_json:
        said = [(one, "problem") for one in errors] + [(one, "warning") for one in warnings]
        rows = [{"path": e.path, "line": e.line, "field": e.field, "problem": e.problem, "severity": severity} for e, severity in said]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        for error in errors:
            typer.echo(str(error))
        for one in warnings:
            typer.echo(f"warning: {one}")
        count = f"{len(errors)} problem(s)" if errors else "no problem"
        typer.echo(f"{checked}: {count}" + (f", {len(warnings)} warning(s)" if warnings else ""))
    if errors:
        raise typer.Exit(1)


def folder_of(path: Path) -> Path:
    """A folder that is there."""
    if not path.is_dir():
        fail(f"{path} is not a folder")
    return path


def rule_folders(given: list[Path] | None) -> "tuple[RuleFolder, ...]":
    """The folders of rules that were given, else those of the watch."""
    from siem.detection.folders import named, watch_folders

    if given:
        return named([folder_of(folder) for folder in given])
    try:
        chosen = load_rule_settings()
        return watch_folders(chosen.rules, chosen.state, chosen.extra_rules)
    except (ValueError, DataError) as error:
        fail(str(error))


def loaded_rules(given: list[Path] | None, sources: "Sequence[LogSource]") -> "Ruleset":
    """The rules of those folders; kept with the state of the watch, where there is one, so that they need not be compiled again."""
    from siem.detection.cache import Cache
    from siem.detection.compiled import compiled_rules
    from siem.detection.load import load_rules

    state = load_rule_settings().state
    if not state.is_dir():
        return load_rules(*rule_folders(given), sources=sources)
    return compiled_rules(*rule_folders(given), cache=Cache.of_watch(state), sources=sources)


def pipelines() -> "Pipelines":
    """The pipelines of the product and the operator's own."""
    from siem.detection.pipelines import OWN, load_pipelines

    try:
        return load_pipelines(load_rule_settings().state / OWN)
    except ValueError as error:
        fail(str(error))


def open_database() -> "Database":
    """The watch's database, where there is a watch."""
    from siem.store.database import Database
    from siem.store.migrations import migrate

    file = settings().state / "watch.sqlite"
    if not file.exists():
        fail(f"there is no watch in {file.parent} (SIEM_STATE)")
    try:
        migrate(f"sqlite:///{file}")
    except OperationError as error:
        fail(str(error))
    return Database(f"sqlite:///{file}")
