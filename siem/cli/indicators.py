"""``siem indicators``: load, list, remove and ask the sets of indicators that the watch compares events with."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siem.cli.context import AsJson, fail, settings
from siem.errors import DataError

if TYPE_CHECKING:
    from siem.detection.indicators import Indicator
    from siem.indicators.reading import Read

app = typer.Typer(no_args_is_help=True, help="Indicators of compromise.")
_PERCENT = 100


@app.command("load")
def load(
    files: Annotated[list[Path], typer.Argument(help="STIX 2.1 bundles (.json) and plain lists, one value a line.")],
    name: Annotated[str, typer.Option(help="Name of the set; a set of the same name is replaced.")],
    source: Annotated[str, typer.Option(help="Who says so, where a file does not.")] = "",
    confidence: Annotated[int | None, typer.Option(help="Confidence, 0 to 100, where a file does not say.", min=0, max=_PERCENT)] = None,
    tlp: Annotated[str, typer.Option(help="How far it may be shared, where a file does not say, such as AMBER.")] = "",
    licence: Annotated[str, typer.Option(help="Under what terms it may be used, where a file does not say, such as CC-BY-4.0.")] = "",
) -> None:
    """Load files as one set, in the place of the set of that name. What cannot be honoured is named with its reason; the rest is loaded.

    A running watch takes the set up by itself.
    """
    from dataclasses import replace

    from siem.indicators import sets
    from siem.indicators.book import About
    from siem.indicators.reading import merged

    try:
        read = merged([_read(file) for file in files])
        completed = (
            replace(
                one,
                source=one.source or source or name,
                tlp=one.tlp or tlp,
                licence=one.licence or licence,
                confidence=confidence if one.confidence is None else one.confidence,
            )
            for one in read.indicators
        )
        about = About(
            name,
            datetime.now(UTC),
            0,
            tuple(file.name for file in files),
            (),
            (),
            refused_count=len(read.refused),
            refused=tuple(map(str, read.refused)),
            withdrawn_count=len(read.withdrawn),
        )
        stored = sets.store(_folder(), about, completed)
    except DataError as error:
        fail(str(error))
    except OSError as error:
        fail(f"the set cannot be written: {error.strerror}; what was there before stands")
    for each in read.refused:
        typer.echo(str(each))
    kinds = ", ".join(f"{count} {kind}" for kind, count in stored.kinds) or "nothing"
    typer.echo(f"{name}: {stored.count} indicators ({kinds}), {len(read.withdrawn)} withdrawn by their author, {len(read.refused)} refused")
    if read.refused:
        raise typer.Exit(1)


def _read(file: Path) -> "Read":
    from siem.indicators.lists import read_list
    from siem.indicators.stix import read_bundle

    return read_bundle(file) if file.suffix.lower() in (".json", ".stix") else read_list(file)


@app.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """The sets that are there, and those that are broken."""
    from siem.indicators.sets import Sets

    sets = Sets(_folder())
    sets.refresh()
    if as_json:
        rows = [
            {
                "name": one.about.name,
                "count": one.about.count,
                "kinds": dict(one.about.kinds),
                "files": list(one.about.files),
                "sources": list(one.about.sources),
                "refused_count": one.about.refused_count,
                "withdrawn_count": one.about.withdrawn_count,
                "expired_count": one.about.expired_count(datetime.now(UTC)),
                "loaded_at": one.about.loaded_at.isoformat(),
            }
            for one in sets.books
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    for one in () if as_json else sets.books:
        kinds = ", ".join(f"{count} {kind}" for kind, count in one.about.kinds)
        files = ", ".join(one.about.files)
        typer.echo(
            f"{one.about.name}: {one.about.count} indicators ({kinds}), loaded {one.about.loaded_at:%Y-%m-%d %H:%M} UTC from {files}"
        )
    for error in sets.broken:
        typer.echo(str(error), err=True)
    if sets.broken:
        raise typer.Exit(1)


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Name of the set.")]) -> None:
    """Take a set away; the running watch no longer compares with it."""
    from siem.indicators import sets

    try:
        sets.remove(_folder(), name)
    except DataError as error:
        fail(str(error))
    typer.echo(f"{name}: removed")


@app.command("check")
def check(value: Annotated[str, typer.Argument(help="An address, domain, URL or hash.")], as_json: AsJson = False) -> None:
    """Everything that is said of a value, valid now or not, and what allows it. Exit status 1 when something is said."""
    from siem.detection.indicators import Kind
    from siem.indicators.sets import Sets

    sets = Sets(_folder())
    sets.refresh()
    found = list(sets.listed(value))
    allowed = {one for kind in Kind for one in sets.allowed(kind, value)}
    if as_json:
        typer.echo(json.dumps([_shown(one) for one in found], ensure_ascii=False))
    for one in () if as_json else found:
        shown = _shown(one)
        typer.echo(", ".join(f"{key} {said}" for key, said in shown.items() if said not in ("", None)))
    for each in () if as_json else sorted(allowed, key=lambda each: each.expires_at):
        typer.echo(f"allowed as {each.value} to the end of {each.last_day} (UTC) by {each.owner}: {each.reason}")
    if found:
        raise typer.Exit(1)
    if not as_json:
        typer.echo(f"{value}: nothing is said of it")


def _shown(one: "Indicator") -> dict[str, object]:
    return {
        "set": one.set_name,
        "kind": str(one.kind),
        "value": one.value,
        "name": one.name,
        "source": one.source,
        "confidence": one.confidence,
        "tlp": one.tlp,
        "licence": one.licence,
        "valid_from": one.valid_from.isoformat() if one.valid_from else None,
        "valid_until": one.valid_until.isoformat() if one.valid_until else None,
        "id": one.id,
    }


def _folder() -> Path:
    from siem.indicators.sets import FOLDER

    return settings().state / FOLDER
