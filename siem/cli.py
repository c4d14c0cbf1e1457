"""The command ``siem``: serve, replay, check rules and playbooks, grant roles.

Exit status: 0 all well, 1 findings (each printed with file, line and field), 2 wrong use or configuration.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from siem.detection import Detection, Rule
from siem.errors import DataError, OperationError
from siem.settings import ROOT, Settings, load

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Veilleur’s watch.")
rules_app = typer.Typer(no_args_is_help=True, help="Sigma rules.")
playbooks_app = typer.Typer(no_args_is_help=True, help="Playbooks and declaration forms.")
users_app = typer.Typer(no_args_is_help=True, help="People of the console and their roles.")
app.add_typer(rules_app, name="rules")
app.add_typer(playbooks_app, name="playbooks")
app.add_typer(users_app, name="users")

RULES, PLAYBOOKS = ROOT / "rules", ROOT / "playbooks"
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


if __name__ == "__main__":
    app()
