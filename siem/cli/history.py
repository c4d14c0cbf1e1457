"""``siem hunt``, ``siem rules backtest`` and ``siem rules history``: rules over the events already stored.

Where the watch runs, it is asked at its own door, since it alone may open the events; where it does not, they are read here, and only read.
"""

import json
import re
import signal
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siem.cli.context import AsJson, console, fail, open_database, pipelines, rule_folders
from siem.errors import DataError, OperationError
from siem.settings import load_rule_settings

if TYPE_CHECKING:  # the stores take long to import
    from siem.history.questions import Question

_DURATION = re.compile(r"(\d{1,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
#: Days of a backtest printed with a bar this wide for the busiest.
_BAR_WIDTH = 40

RuleName = Annotated[
    str, typer.Argument(help="Id, name, file or title of a rule in force, or its begin; or the path of a YAML file that is not in force.")
]
Since = Annotated[str, typer.Option(help="From when on: 90d, 12h, or an instant in ISO 8601 (UTC unless it says its zone).")]
Until = Annotated[str | None, typer.Option(help="Before when, in the same forms; by default all there is.")]
Tenant = Annotated[str, typer.Option(help="Whose events.")]


def hunt_rule(
    rule: RuleName,
    since: Since = "90d",
    until: Until = None,
    tenant: Tenant = "default",
    limit: Annotated[int, typer.Option(min=0, help="Print at most so many detections (0: all); all are counted. Not for --json.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Look for a rule in the events already stored. Nothing is stored, no alert is raised."""
    with _told(_question("hunt", rule, since, until, tenant)) as answer:
        result = _print_json(answer) if as_json else _print_text(answer, limit)
    _warn_of_losses(result)


def backtest_rule(
    rule: RuleName,
    since: Since = "90d",
    until: Until = None,
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Say how often a rule would have fired on the events already stored: alerts a day, by day and by subject. Nothing is stored."""
    with _told(_question("backtest", rule, since, until, tenant)) as answer:
        result: Mapping[str, Any] = {}
        for message in answer:
            result = message.get("backtest", result)
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, default=lambda one: one.isoformat()))
    else:
        _print_backtest(result)
    _warn_of_losses(result)


def rules_history(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Say which new or changed rules and sets of indicators looked back at stored events, how far they came, and what stopped them."""
    from dataclasses import asdict

    from rich.markup import escape
    from rich.table import Table

    from siem.detection.credit import Credit
    from siem.history import store

    database = open_database()
    try:
        with database.reading() as connection:
            runs = store.recent_runs(connection, limit=limit)
    finally:
        database.close()
    if as_json:
        typer.echo(json.dumps([asdict(run) for run in runs], ensure_ascii=False, default=lambda one: one.isoformat()))
        return
    table = Table("rule", "why", "from", "reached", title=None, expand=False)
    for heading in ("events", "matches", "new alerts", "CPU s"):
        table.add_column(heading, justify="right")
    table.add_column("state")
    for run in runs:
        reached = run.reached_at or run.from_at
        table.add_row(
            escape(_printable(str(Credit(run.rule_id, run.rule_title, run.rule_author, run.rule_licence)))),
            escape(f"{run.reason}: {run.set_name}" if run.set_name else run.reason),
            f"{run.from_at:%Y-%m-%d %H:%M}",
            f"{reached:%Y-%m-%d %H:%M}",
            str(run.looked_count),
            str(run.detection_count),
            str(run.alert_count),
            f"{run.cpu_seconds:.1f}",
            escape(f"{run.state}: {run.problem}" if run.problem else run.state),
        )
    console().print(table)


def _question(kind: str, rule: str, since: str, until: str | None, tenant: str) -> "Question":
    from siem.history.questions import Question

    now = datetime.now(UTC)
    from_at, to_at = _instant(since, now, "--since"), None if until is None else _instant(until, now, "--until")
    if to_at is not None and to_at <= from_at:
        fail("--until: an instant after --since is expected")
    file = Path(rule)
    if file.suffix not in (".yml", ".yaml") or not file.is_file():
        return Question(kind, rule, None, from_at, to_at, tenant)
    try:
        return Question(kind, file.as_posix(), file.read_text("utf-8"), from_at, to_at, tenant)
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read: {error}")


def _instant(text: str, now: datetime, option: str) -> datetime:
    found = _DURATION.fullmatch(text)
    if found:
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: a duration such as 90d or an instant in ISO 8601 is expected, not {text!r}")
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


@contextmanager
def _told(question: "Question") -> Iterator[Iterator[Mapping[str, Any]]]:
    """The answer, with its progress on the terminal; whatever ends it says why, and Ctrl-C ends it at once."""
    try:
        with closing(_answer(question)) as answer:
            yield _with_progress(answer)
    except (DataError, OperationError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        typer.echo("interrupted; what is above is not all", err=True)
        raise typer.Exit(128 + signal.SIGINT) from None


def _answer(question: "Question") -> Generator[Mapping[str, Any]]:
    from siem.door import ask

    try:
        state = load_rule_settings().state
    except ValueError as error:
        fail(str(error))
    answer = ask(state, question.message())
    return _here(state, question) if answer is None else answer


def _here(state: Path, question: "Question") -> Generator[Mapping[str, Any]]:
    """No watch runs: read the events here."""
    from siem.detection.load import load_rules
    from siem.history.questions import History
    from siem.indicators.sets import FOLDER as INDICATORS
    from siem.indicators.sets import Sets
    from siem.store.events import EventStore

    file = state / "events.duckdb"
    if not file.is_file():
        fail(f"there are no events in {state} (SIEM_STATE)")
    folders, sources = rule_folders(None), pipelines().sources
    events = EventStore(file, read_only=True)
    try:
        sets = state / INDICATORS
        history = History(events, lambda documents: load_rules(*folders, sources=sources, instead=documents), lambda: Sets(sets))
        yield from history.answer(question.message())
    finally:
        events.close()


def _with_progress(answer: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Show how far it has come, where somebody watches the terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("events"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=None)
        for message in answer:
            if "plan" in message:
                progress.update(task, description=_printable(message["plan"]["rule"]), total=message["plan"]["event_count"])
            elif "progress" in message:
                progress.advance(task, message["progress"]["looked_count"])
            yield message


def _print_text(answer: Iterator[Mapping[str, Any]], limit: int) -> Mapping[str, Any]:
    from siem.detection.credit import Credit

    count, how, result = 0, "", {}
    for message in answer:
        if "plan" in message:
            how = message["plan"]["how"]
        elif "detection" in message:
            count += 1
            if limit == 0 or count <= limit:
                one = message["detection"]
                group = ", ".join(f"{name}={value}" for name, value in one["group"].items())
                rule = Credit(one["rule_id"], one["rule"], one["author"], one["licence"])
                line = f"{one['last_at']}  {one['level']:<13} {rule}  {group}  {len(one['event_ids'])} event(s)"
                typer.echo(_printable(line))
        elif "done" in message:
            result = message["done"]
    if limit and count > limit:
        typer.echo(f"… and {count - limit} more detections (--limit)")
    if result:
        candidates = f"{result['candidate_count']} candidates ({how})"
        typer.echo(f"{result['looked_count']} events, {candidates}, {result['detection_count']} detections, {result['alert_count']} alerts")
    return result


def _print_json(answer: Iterator[Mapping[str, Any]]) -> Mapping[str, Any]:
    """One document, written as it comes: however much is found, none of it is kept."""
    result: Mapping[str, Any] = {}
    between = ""
    typer.echo('{"detections": [', nl=False)
    try:
        for message in answer:
            if "detection" in message:
                typer.echo(between + json.dumps(message["detection"], ensure_ascii=False), nl=False)
                between = ",\n"
            elif "done" in message:
                result = message["done"]
    finally:
        summary = json.dumps(result or {"complete": False}, ensure_ascii=False, default=lambda one: one.isoformat())
        typer.echo(f'], "result": {summary}}}')
    return result


def _print_backtest(result: Mapping[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from siem.detection.credit import Credit

    out = console()
    days = [day for day in result["days"] if day["detection_count"]]
    busiest = max((day["alert_count"] for day in days), default=0) or 1
    if days:
        table = Table("day", title=None, expand=False)
        for heading in ("alerts", "detections"):
            table.add_column(heading, justify="right")
        table.add_column("")
        for day in days:
            bar = "█" * -(-day["alert_count"] * _BAR_WIDTH // busiest)
            table.add_row(str(day["day"]), str(day["alert_count"]), str(day["detection_count"]), bar)
        out.print(table)
    if result["subjects"]:
        table = Table("subject", title=None, expand=False)
        for heading in ("alerts", "detections"):
            table.add_column(heading, justify="right")
        for subject in result["subjects"]:
            values = ", ".join(f"{name}={value}" for name, value in subject["values"])
            table.add_row(escape(_printable(values)), str(subject["alert_count"]), str(subject["detection_count"]))
        out.print(table)
    quiet = len(result["days"]) - len(days)
    rule = Credit(result["rule_id"], result["rule_title"], result["rule_author"], result["rule_licence"])
    typer.echo(_printable(f"{rule}, {result['level']}, {result['from_at']} to {result['to_at']}"))
    typer.echo(f"{result['looked_count']} events, {result['candidate_count']} candidates ({result['how']})")
    typer.echo(f"{result['detection_count']} detections, {result['alert_count']} alerts about {result['subject_count']} subjects")
    typer.echo(f"{result['alerts_per_day']:.2f} alerts a day; {quiet} of {len(result['days'])} days without any")


def _warn_of_losses(result: Mapping[str, Any]) -> None:
    if result.get("lost_count"):
        typer.echo(f"{result['lost_count']} matches were given up at the limit of kept matches: counts may be too low", err=True)


def _printable(text: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
