"""``siem rules alarms`` and ``siem rules fields``: what the running detection says of itself, read from the state that the watch keeps."""

import json
from typing import TYPE_CHECKING

import typer

from siem.cli.context import AsJson, console, loaded_rules, open_database, pipelines
from siem.settings import load_rule_settings

if TYPE_CHECKING:  # the engine takes long to import
    from siem.detection.load import Ruleset
    from siem.detection.profile import Profiles, UnseenField


def rules_alarms(as_json: AsJson = False) -> None:
    """Alarms about the detection that nobody has taken note of: rules out of force, state given up, an index that was wrong.

    Exit status 1 when there is any. Taking note of one, and putting a rule back into force, is done in the console.
    """
    from dataclasses import asdict

    from rich.markup import escape
    from rich.table import Table

    from siem.access import WATCH
    from siem.incidents import detection_alarms

    database = open_database()
    try:
        with database.reading() as connection:
            found = detection_alarms.standing(connection, WATCH)
    finally:
        database.close()
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, default=lambda one: one.isoformat()))
    elif not found:
        typer.echo("no alarm stands")
    else:
        table = Table("alarm", "rule", "count", "since", "last", "why", title=None, expand=False)
        for one in found:
            since, last = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (one.first_at, one.last_at))
            why = one.problem or ", ".join(one.event_ids[:3])
            table.add_row(one.kind.value.replace("_", " "), escape(one.rule_id), str(one.count), since, last, escape(why))
        console().print(table)
    if found:
        raise typer.Exit(1)


def rules_fields(as_json: AsJson = False) -> None:
    """Fields that rules ask for and that no event of a source ever had, as the running watch counted them.

    Exit status 1 when there is any.
    """
    from dataclasses import asdict

    found = _unseen()
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
    for one in () if as_json else found:
        places = " nor ".join((one.field, *one.elsewhere))
        typer.echo(f"{one.source}: {places} was never there; asked for by {', '.join(one.rule_ids)}")
    if found:
        raise typer.Exit(1)
    if not as_json:
        typer.echo("every field that rules ask for has come, or no event was counted yet")


def _unseen() -> "list[UnseenField]":
    open_database().close()  # says so where there is no watch
    profiles = counted(loaded_rules(None, pipelines().sources))
    return [] if profiles is None else profiles.unseen()


def counted(ruleset: "Ruleset") -> "Profiles | None":
    """What the watch has counted of its events, as these rules would read them; None where no watch has run here."""
    from siem.detection.engine import Engine
    from siem.detection.state import StateKey
    from siem.store.progress import read_states

    if not (load_rule_settings().state / "watch.sqlite").is_file():
        return None
    key = StateKey.of_profiles().text()
    database = open_database()
    try:
        with database.reading() as connection:
            kept = {name: data for name, data in read_states(connection, "engine/").items() if name == key}
    finally:
        database.close()
    engine = Engine(ruleset)
    engine.restore(kept)
    return engine.profiles
