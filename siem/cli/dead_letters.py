"""``siem dead-letters``."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from siem.cli.context import AsJson, fail, open_database, settings
from siem.errors import OperationError

if TYPE_CHECKING:  # the stores take long to import
    from siem.store.progress import DeadLetter, DropReason

app = typer.Typer(no_args_is_help=True, help="Received records that could not become events.")
#: Dead letters put back in one transaction; each may hold a megabyte.
_LETTERS_AT_ONCE = 200
OfSource = Annotated[str | None, typer.Option("--source", help="Only those of this source.")]
ForReason = Annotated[
    str | None, typer.Option("--reason", help="Only those dropped for this reason: unreadable, unknown_source or defect.")
]


@app.command("list")
def letters_list(
    source: OfSource = None,
    reason: ForReason = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Say which records were dropped, of which source, why, and in which field. Their bytes are not shown: they name people."""
    from siem.store import progress

    database = open_database()
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


@app.command("replay")
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
        fail("say which: numbers, --source, --reason or --all")
    wanted = frozenset(ids) if ids else None
    database = open_database()
    queue = Queue(settings().state / "queue.sqlite")
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
        fail(f"{count} put back, then: {error}")
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
        fail(f"--reason: one of {', '.join(DropReason)} is expected, not {typed!r}")
