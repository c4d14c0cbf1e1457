"""``siem rules pull``, ``sets``, ``roll-back`` and ``remove``: rule sets of others, pinned."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siem.cli.context import AsJson, fail, pipelines
from siem.errors import DataError, OperationError
from siem.settings import load_rule_settings

if TYPE_CHECKING:  # the compiler of rules takes long to import
    from siem.detection.rule_sets import RuleSet

Name = Annotated[str, typer.Argument(help="Name of the set.")]
_RESTART = "a watch that runs takes it up when it is started again"


def pull_set(
    source: Annotated[str, typer.Argument(help="Folder, archive (tar, tar.gz, zip) or address of a git repository (https, ssh).")],
    name: Annotated[str, typer.Option(help="Name of the set, which begins the names of its files.")],
    revision: Annotated[str, typer.Option(help="Commit, in full, of a git repository; or SHA-256 that the archive must have.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of rules that name none, where no known licence is in the source.")] = "",
) -> None:
    """Bring a version of a rule set, check every rule, and make it the current one."""
    from siem.detection import rule_sets

    try:
        found = rule_sets.pull(
            _state(), source, name, at=datetime.now(UTC), revision=revision, licence=licence, sources=pipelines().sources
        )
    except (DataError, OperationError) as error:
        fail(str(error))
    typer.echo(_line(found))
    typer.echo(f"{len(found.current.refused)} refused (siem rules sets --json says why); {_RESTART}")


def list_sets(as_json: AsJson = False) -> None:
    """Say which rule sets there are: source, revision, licence, how many rules, and which were refused with the reason."""
    from siem.detection import rule_sets

    try:
        found = rule_sets.installed(_state())
    except DataError as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return
    for one in found:
        typer.echo(_line(one))
    typer.echo(f"{len(found)} rule set(s)")


def roll_set_back(name: Name) -> None:
    """Go back to the version before the current one; once more comes forward again where there are two."""
    from siem.detection import rule_sets

    try:
        typer.echo(_line(rule_sets.roll_back(_state(), name)))
    except DataError as error:
        fail(str(error))
    typer.echo(_RESTART)


def remove_set(name: Name) -> None:
    """Take a rule set away, with all its versions."""
    from siem.detection import rule_sets

    try:
        rule_sets.remove(_state(), name)
    except DataError as error:
        fail(str(error))
    typer.echo(f"{name} is removed; {_RESTART}")


def _state() -> Path:
    try:
        return load_rule_settings().state
    except ValueError as error:
        fail(str(error))


def _line(found: "RuleSet") -> str:
    one = found.current
    counts = f"{one.rule_count} rules, {one.correlation_count} correlations, {len(one.refused)} refused"
    return f"{found.name}  {one.revision[:12]}  {one.licence}  {counts}  {one.pulled_at[:19]}  {one.source}"
