"""``siem replay``: past logs through the live parts."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siem.cli.context import AsJson, fail, loaded_rules, pipelines
from siem.detection import Detection, Rule
from siem.detection.credit import Credit
from siem.errors import DataError
from siem.settings import load_rule_settings

if TYPE_CHECKING:
    from siem.detection.engine import Engine
    from siem.detection.load import Ruleset
    from siem.enrichment import Enrichment
    from siem.enrichment.pseudonyms import Pseudonyms


def replay_files(
    files: Annotated[list[Path], typer.Argument(help="Log files, oldest first.")],
    source_type: Annotated[str, typer.Option("--type", help="What the files are: idp, nginx, fhir_audit_event, windows or ecs.")],
    service: Annotated[str, typer.Option(help="Name of the service that wrote them.")] = "replay",
    rules: Annotated[list[Path] | None, typer.Option(help="Folder of rules, instead of the watch’s. Repeatable.")] = None,
    geography: Annotated[Path | None, typer.Option(help="CSV network,country_iso_code,city_name,lat,lon.")] = None,
    directory: Annotated[Path | None, typer.Option(help="CSV national_id,profession,finess.")] = None,
    indicators: Annotated[Path | None, typer.Option(help="Folder of indicator sets: indicators/ in the state of a watch.")] = None,
    verify_sample: Annotated[float, typer.Option(min=0, max=1, help="Share of events also evaluated against every rule.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Show what the rules would have found in past logs. Nothing is stored, no alert is raised.

    People appear by pseudonym: those of the watch where its key is in SIEM_STATE, others of this replay alone where it is not.
    """
    from siem.garbage import settle_down
    from siem.replay import replay
    from siem.sources import SOURCES
    from siem.sources.source import SourceSettings

    if source_type not in SOURCES:
        fail(f"--type: one of {', '.join(sorted(SOURCES))} is expected, not {source_type!r}")
    ruleset = loaded_rules(rules, pipelines().fed_by({source_type}))
    now = datetime.now(UTC)
    engine = _engine(ruleset, indicators, verify_sample, now)
    settle_down()
    source = SOURCES[source_type](SourceSettings("replay", source_type, service))
    try:
        done = replay(files, source, engine, _enrichments(geography, directory), _pseudonyms(), now)
    except DataError as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps([_shown(one, ruleset.rules[one.rule_id]) for one in done.detections], ensure_ascii=False))
    for unreadable in done.errors:
        typer.echo(str(unreadable), err=True)
    if not as_json:
        for one in done.detections:
            rule = ruleset.rules[one.rule_id]
            group = ", ".join(f"{name}={value}" for name, value in one.group)
            typer.echo(f"{one.last_at.isoformat()}  {rule.level:<13} {Credit.of(rule)}  {group}  {len(one.event_ids)} event(s)")
        counts = f"{done.line_count} lines, {done.event_count} events, {len(done.errors)} unreadable"
        typer.echo(f"{counts}, {len(done.detections)} detections")
    _tell(ruleset, engine)
    if done.errors or ruleset.errors or engine.disagreement_counts or engine.out_of_force:
        raise typer.Exit(1)


def _tell(ruleset: "Ruleset", engine: "Engine") -> None:
    """What keeps the answer from being whole."""
    for refused in ruleset.errors:
        typer.echo(f"refused: {refused}", err=True)
    if engine.verified_count and not engine.disagreement_counts:
        typer.echo(f"the index and the rules agreed on {engine.verified_count} events compared", err=True)
    for rule_id, count in engine.disagreement_counts.items():
        typer.echo(f"rule {rule_id}: the index and the rule disagreed on {count} of {engine.verified_count} events compared", err=True)
    for out in engine.out_of_force:
        typer.echo(f"rule {out.rule_id} went out of force and did not judge {out.event_count} events: {out.problem}", err=True)


def _enrichments(geography: Path | None, directory: Path | None) -> "list[Enrichment]":
    from siem.enrichment.directory import load_directory
    from siem.enrichment.geography import load_geography

    return [load(file) for load, file in ((load_geography, geography), (load_directory, directory)) if file is not None]


def _pseudonyms() -> "Pseudonyms":
    from siem.enrichment.pseudonyms import Pseudonyms, load_key

    file = load_rule_settings().state / "keys" / "pseudonyms.key"
    return Pseudonyms(load_key(file) if file.is_file() else secrets.token_bytes(32))


def _engine(ruleset: "Ruleset", indicators: Path | None, verify_sample: float, now: datetime) -> "Engine":
    from siem.detection.cache import Cache
    from siem.detection.engine import Engine
    from siem.detection.profile import every
    from siem.indicators.sets import Sets

    engine = Engine(ruleset, clock=lambda: now, verify_every=every(verify_sample))
    if (state := load_rule_settings().state).is_dir():
        engine.keep_in(Cache.of_watch(state))
    if indicators is not None:
        if not indicators.is_dir():
            fail(f"{indicators} is not a folder")
        sets = Sets(indicators)
        sets.refresh()
        for broken in sets.broken:
            fail(str(broken))
        engine.indicators.book = sets
    return engine


def _shown(detection: Detection, rule: Rule) -> dict[str, object]:
    """A detection as JSON."""
    return {
        **Credit.of(rule).document(),
        "level": rule.level,
        "group": dict(detection.group),
        "first_at": detection.first_at.isoformat(),
        "last_at": detection.last_at.isoformat(),
        "event_ids": list(detection.event_ids),
    }
