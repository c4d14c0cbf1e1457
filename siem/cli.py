"""The command ``siem``: serve, replay, check rules and playbooks, grant roles, look after dead letters.

Exit status: 0 all well, 1 findings (each printed with file, line and field), 2 wrong use or configuration.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from siem.detection import Detection, Rule
from siem.errors import DataError, OperationError
from siem.settings import ROOT, Settings, load

if TYPE_CHECKING:  # the stores take long to import, and most commands need none
    from siem.store.database import Database
    from siem.store.progress import DeadLetter, DropReason

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Veilleur’s watch.")
rules_app = typer.Typer(no_args_is_help=True, help="Sigma rules.")
playbooks_app = typer.Typer(no_args_is_help=True, help="Playbooks and declaration forms.")
users_app = typer.Typer(no_args_is_help=True, help="People of the console and their roles.")
letters_app = typer.Typer(no_args_is_help=True, help="Received records that could not become events.")
app.add_typer(rules_app, name="rules")
app.add_typer(playbooks_app, name="playbooks")
app.add_typer(users_app, name="users")
app.add_typer(letters_app, name="dead-letters")

RULES, PLAYBOOKS = ROOT / "rules", ROOT / "playbooks"
#: Dead letters put back in one transaction; each may hold a megabyte.
_LETTERS_AT_ONCE = 200
OfSource = Annotated[str | None, typer.Option("--source", help="Only those of this source.")]
ForReason = Annotated[
    str | None, typer.Option("--reason", help="Only those dropped for this reason: unreadable, unknown_source or defect.")
]
#: Largest head (request line and headers) of a request, in bytes.
_HEAD_BYTES = 65_536
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
        # Of uvicorn's two parsers the one that bounds the head of a request; the other reads headers without end.
        http="h11",
        h11_max_incomplete_event_size=_HEAD_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        timeout_graceful_shutdown=3,
    )


@app.command("replay")
def replay_files(
    files: Annotated[list[Path], typer.Argument(help="Log files, oldest first.")],
    source_type: Annotated[str, typer.Option("--type", help="What the files are: idp, nginx or fhir_audit_event.")],
    service: Annotated[str, typer.Option(help="Name of the service that wrote them.")] = "replay",
    rules: Annotated[Path, typer.Option(help="Folder of rules.")] = RULES,
    geography: Annotated[Path | None, typer.Option(help="CSV network,country_iso_code,city_name,lat,lon.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the rules would have found in past logs. Nothing is stored, no alert is raised."""
    from siem.detection.engine import Engine
    from siem.detection.load import load_rules
    from siem.enrichment.geography import load_geography
    from siem.replay import replay
    from siem.sources import SOURCES
    from siem.sources.source import SourceSettings

    if source_type not in SOURCES:
        _fail(f"--type: one of {', '.join(sorted(SOURCES))} is expected, not {source_type!r}")
    ruleset = load_rules(_folder(rules))
    source = SOURCES[source_type](SourceSettings("replay", source_type, service))
    try:
        enrichments = [load_geography(geography)] if geography else []
        done = replay(files, source, Engine(ruleset), enrichments, datetime.now(UTC))
    except DataError as error:
        _fail(str(error))
    if as_json:
        typer.echo(json.dumps([_shown(one, ruleset.rules[one.rule_id]) for one in done.detections], ensure_ascii=False))
    for unreadable in done.errors:
        typer.echo(str(unreadable), err=True)
    if not as_json:
        for one in done.detections:
            rule = ruleset.rules[one.rule_id]
            group = ", ".join(f"{name}={value}" for name, value in one.group)
            typer.echo(f"{one.last_at.isoformat()}  {rule.level:<13} {rule.title} ({rule.author})  {group}  {len(one.event_ids)} event(s)")
        counts = f"{done.line_count} lines, {done.event_count} events, {len(done.errors)} unreadable"
        typer.echo(f"{counts}, {len(done.detections)} detections")
    if done.errors or ruleset.errors:
        raise typer.Exit(1)


def _shown(detection: Detection, rule: Rule) -> dict[str, object]:
    """A detection as JSON; a match shown to anyone names the rule's author."""
    return {
        "rule_id": rule.id,
        "rule": rule.title,
        "author": rule.author,
        "level": rule.level,
        "group": dict(detection.group),
        "first_at": detection.first_at.isoformat(),
        "last_at": detection.last_at.isoformat(),
        "event_ids": list(detection.event_ids),
    }


@rules_app.command("check")
def rules_check(
    folder: Annotated[Path, typer.Argument(help="Folder of rules.")] = RULES,
    proofs: Annotated[Path | None, typer.Option(help="Folder of proofs, laid out as the rules; each rule must then have its own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with each rule: file, line, field and reason."""
    from siem.detection import prove

    _report(prove.check(_folder(folder), proofs), as_json=as_json, checked="rules")


@rules_app.command("test")
def rules_test(
    folder: Annotated[Path, typer.Argument(help="Folder of rules.")],
    proofs: Annotated[Path, typer.Argument(help="Folder of proofs: match.jsonl and ignore.jsonl of each rule.")],
    as_json: AsJson = False,
) -> None:
    """Run each rule against its proof: every match must fire, every near miss must not."""
    from siem.detection import prove

    results = prove.test(_folder(folder), _folder(proofs))
    problems = [problem for result in results for problem in result.problems]
    _report(problems, as_json=as_json, checked=f"{len(results)} proofs")


@playbooks_app.command("check")
def playbooks_check(
    folder: Annotated[Path, typer.Argument(help="Folder of playbooks and forms.")] = PLAYBOOKS,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with each playbook and each declaration form."""
    from siem.declarations.forms import load_forms
    from siem.response import actions
    from siem.response.load import load_playbooks

    try:
        problems = list(load_playbooks(_folder(folder) / "response", folder / "schema" / "response.schema.json", actions.ACTIONS).errors)
        problems.extend(load_forms(folder / "declarations").errors)
    except DataError as error:
        problems = [error]
    _report(problems, as_json=as_json, checked="playbooks")


def _folder(path: Path) -> Path:
    if not path.is_dir():
        _fail(f"{path} is not a folder")
    return path


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


@letters_app.command("list")
def letters_list(
    source: OfSource = None,
    reason: ForReason = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Say which records were dropped, of which source, why, and in which field. Their bytes are not shown: they name people."""
    from siem.store import progress

    database = _database()
    try:
        with database.reading() as connection:
            letters = progress.list_dead_letters(connection, source=source, reason=_reason(reason), limit=limit)
            total = progress.count_dead_letters(connection)
    finally:
        database.close()
    if as_json:
        typer.echo(json.dumps([_described(letter) for letter in letters], ensure_ascii=False))
        return
    for letter in letters:
        record, when = letter.record, letter.record.received_at.isoformat(timespec="seconds")
        line = f"{letter.id}  {when}  {record.source}  {record.position}  {letter.reason}  {letter.field or '-'}  {letter.problem}"
        typer.echo("".join(c if c.isprintable() else repr(c)[1:-1] for c in line))  # nothing that a terminal would obey
    typer.echo(f"{len(letters)} shown of {total}")


@letters_app.command("replay")
def letters_replay(
    ids: Annotated[list[int] | None, typer.Argument(help="Numbers of the letters, as the list gives them.")] = None,
    source: OfSource = None,
    reason: ForReason = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one of them.")] = False,
) -> None:
    """Put dropped records through the watch again, once their source is mended; a running watch takes them up within a second."""
    from siem.store import progress
    from siem.store.queue import Queue

    if not (ids or source or reason or everything):
        _fail("say which: numbers, --source, --reason or --all")
    wanted = frozenset(ids) if ids else None
    database = _database()
    queue = Queue(_settings().state / "queue.sqlite")
    count, before = 0, None
    try:
        while True:
            with database.reading() as connection:
                found = progress.list_dead_letters(connection, source=source, reason=_reason(reason), limit=_LETTERS_AT_ONCE, before=before)
            if not found:
                break
            before = found[-1].sequence  # a letter that comes back from the queue is a later one: it is not met again
            chosen = [letter for letter in reversed(found) if wanted is None or letter.id in wanted]
            count += progress.replay_dead_letters(queue, database, chosen, datetime.now(UTC))
    except OperationError as error:
        _fail(f"{count} put back, then: {error}")
    finally:
        queue.close()
        database.close()
    typer.echo(f"{count} put back")
    if wanted is not None and count < len(wanted):
        typer.echo(f"{len(wanted) - count} of these numbers are no dead letters (of that source and reason)")
        raise typer.Exit(1)


def _described(letter: "DeadLetter") -> dict[str, object]:
    return {
        "id": letter.id,
        "received_at": letter.record.received_at.isoformat(),
        "dropped_at": letter.dropped_at.isoformat(),
        "source": letter.record.source,
        "position": letter.record.position,
        "reason": str(letter.reason),
        "field": letter.field,
        "problem": letter.problem,
    }


def _reason(typed: str | None) -> "DropReason | None":
    from siem.store.progress import DropReason

    try:
        return DropReason(typed) if typed else None
    except ValueError:
        _fail(f"--reason: one of {', '.join(DropReason)} is expected, not {typed!r}")


def _database() -> "Database":
    """The watch's database, where there is a watch."""
    from siem.store.database import Database
    from siem.store.migrations import migrate

    file = _settings().state / "watch.sqlite"
    if not file.exists():
        _fail(f"there is no watch in {file.parent} (SIEM_STATE)")
    try:
        migrate(f"sqlite:///{file}")
    except OperationError as error:
        _fail(str(error))
    return Database(f"sqlite:///{file}")


if __name__ == "__main__":
    app()
