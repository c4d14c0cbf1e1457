"""``siem rules``: check them, test them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from siem.cli import alarms, tuning
from siem.cli.context import PROOFS, RULES, AsJson, console, fail, folder_of, open_database, pipelines, report, rule_folders
from siem.cli.rule_conversion import convert_rules
from siem.errors import DataError

if TYPE_CHECKING:  # the engine takes long to import
    from collections.abc import Callable, Sequence

    from siem.detection.documents import Document
    from siem.detection.load import Ruleset
    from siem.detection.pipelines import Pipelines
    from siem.detection.prove import ProofResult, Proven, Readers
    from siem.event import Event

app = typer.Typer(no_args_is_help=True, help="Sigma rules.")
app.command("convert")(convert_rules)
app.command("tune")(tuning.rules_tune)


@app.command("check")
def rules_check(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of rules, taken together; the first is held to our own style. By default the watch’s."),
    ] = None,
    proofs: Annotated[
        Path | None, typer.Option(help="Folder of proofs, laid out as the first folder’s rules; each of them must then have its own.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for problems.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with each rule: file, line, field and reason; and what may be: fields that its sources are not known to have."""
    from siem.detection import prove
    from siem.detection.folders import OWN
    from siem.detection.load import load_rules, read_folders

    known, chosen = pipelines(), rule_folders(folders)
    ruleset = load_rules(*chosen, sources=known.sources)
    problems = [*known.errors, *prove.check(*chosen, proofs=proofs, at=datetime.now(UTC), sources=known.sources, ruleset=ruleset)]
    ours = [one for one in chosen if not one.name or one.name == OWN or folders]
    warnings = _warnings(read_folders(ours)[0], ruleset, known)
    report([*problems, *warnings] if strict else problems, as_json=as_json, checked="rules", warnings=() if strict else warnings)


def _warnings(documents: "Sequence[Document]", ruleset: "Ruleset", known: "Pipelines") -> list[DataError]:
    from siem.detection.unknown_fields import Known, unknown_fields

    profiles = alarms.counted(ruleset)
    if profiles is None:
        return unknown_fields(documents, ruleset, Known(known))
    return unknown_fields(documents, ruleset, Known(known, profiles.unseen(), profiles.names_seen()))


@app.command("test")
def rules_test(
    folder: Annotated[Path, typer.Argument(help="Folder of rules.")] = RULES,
    proofs: Annotated[
        Path, typer.Argument(help="Folder of proofs: match.jsonl and ignore.jsonl of each rule, or match.windows.jsonl of records.")
    ] = PROOFS,
    beside: Annotated[
        list[Path] | None, typer.Option("--with", help="Folder loaded with it: filters on its rules, or rules it refers to. Repeatable.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the result to this file as JUnit XML.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run each rule against its proof: every match must fire, every near miss must not."""
    from siem.detection import prove
    from siem.detection.junit import junit as as_junit

    together = rule_folders([folder, *(beside or [])])
    proven = prove.test(*together, proofs=folder_of(proofs), sources=pipelines().sources, readers=_readers())
    if junit is not None:
        _write(junit, as_junit(proven))
    if not as_json:
        _print_table(proven)
    report(proven.problems, as_json=as_json, checked=f"{len(proven.results)} proofs")


def _readers() -> "Readers":
    """What reads a record of each type of source, as the watch does."""
    from siem.event import RawRecord
    from siem.sources import SOURCES
    from siem.sources.source import Source, SourceSettings

    def reader(source: Source) -> "Callable[[Path, int, bytes], Sequence[Event]]":
        def read(file: Path, number: int, data: bytes) -> "Sequence[Event]":
            try:
                return source.parse(RawRecord(file.stem, str(number), datetime.now(UTC), data))
            except DataError as error:
                raise DataError(str(file), number, error.field, error.problem) from error

        return read

    return {kind: reader(made(SourceSettings("proof", kind, "proof"))) for kind, made in SOURCES.items()}


@app.command("navigator")
def rules_navigator(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    seen: Annotated[bool, typer.Option("--seen", help="What the rules found, instead of what they look for.")] = False,
) -> None:
    """Write a layer for the ATT&CK Navigator (format 4.5): what the rules look for, or what they found."""
    from siem.detection import navigator
    from siem.detection.load import load_rules

    now, rules = datetime.now(UTC), load_rules(*rule_folders(None), sources=pipelines().sources).rules.values()
    layer = navigator.seen(rules, _alerts_by_rule(), now) if seen else navigator.coverage(rules, now)
    _write(output, json.dumps(layer, ensure_ascii=False, indent=1).encode())
    techniques = layer["techniques"]
    typer.echo(f"{output}: {len(techniques) if isinstance(techniques, list) else 0} techniques")


def _alerts_by_rule() -> dict[str, tuple[int, datetime]]:
    from siem.access import WATCH
    from siem.incidents.rule_figures import by_rule

    database = open_database()
    try:
        with database.reading() as connection:
            figures = by_rule(connection, WATCH)
    finally:
        database.close()
    return {rule_id: (one.alert_count, one.last_at) for rule_id, one in figures.items() if one.last_at is not None}


def _print_table(proven: "Proven") -> None:
    from rich.table import Table

    table = Table("rule", title=None, expand=False)
    for heading in ("matches", "near misses", "CPU ms"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    by_rule: dict[str, dict[str, ProofResult]] = {}
    for result in proven.results:
        by_rule.setdefault(result.credit.rule_id, {})[result.kind] = result
    for kinds in by_rule.values():
        match, ignore = kinds["match"], kinds["ignore"]
        holds = match.passed and ignore.passed
        verdict = "[green]holds[/green]" if holds else "[bold red]does not hold[/bold red]"
        milliseconds = f"{(match.seconds + ignore.seconds) * 1000:.0f}"
        table.add_row(escape(f"{match.path} ({match.credit.author})"), _tally(match), _tally(ignore), milliseconds, verdict)
    console().print(table)


def _tally(result: "ProofResult") -> str:
    return f"{result.held_count}/{result.case_count}" if result.case_count else "none"


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
