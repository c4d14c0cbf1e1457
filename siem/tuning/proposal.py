"""A filter proposed for a rule, proved on the alerts that people judged, and written into the operator's folder.

The proof is not an estimate: the stored events of each judged alert go through the engine twice, with the rules as they are and with the
proposed filter beside them. An alert closed as true that would no longer fire is a reason to refuse the filter.
"""

import hashlib
import hmac
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import yaml
from sqlalchemy import Connection, select

from siem.access import Permission, Principal
from siem.detection import Rule
from siem.detection.conditions import predicates
from siem.detection.documents import RuleYaml
from siem.detection.engine import Engine
from siem.detection.load import CompiledRule, Ruleset
from siem.detection.predicates import fields_of
from siem.errors import DataError, OperationError
from siem.event import Event
from siem.incidents.model import Alert, AlertState, NotFound, Refused, Verdict
from siem.incidents.queries import require, seen_by
from siem.incidents.store import alert_events, alerts, entities_of, to_alert, write_change
from siem.store.database import Database
from siem.store.events import EventStore, Scope
from siem.tuning.conditions import Condition, smallest

#: Judged alerts of a rule that are looked at, latest first, and events of each.
_MOST_ALERTS: Final = 300
_MOST_EVENTS: Final = 5000
_TRUE: Final = frozenset({Verdict.TRUE_POSITIVE_IMPACT, Verdict.TRUE_POSITIVE_NO_IMPACT})
_LONGEST_TEXT: Final = 500
#: A filter lives this long unless the person says otherwise, and no longer than that.
DEFAULT_LIFE: Final = timedelta(days=90)
LONGEST_LIFE: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Judged:
    """An alert that was looked at. ``fired``: its stored events raise it with the rules as they are; ``fires``: with the filter too."""

    alert: Alert
    event_count: int
    fired: bool
    fires: bool

    @property
    def hidden(self) -> bool:
        """Whether the filter would have hidden it."""
        return self.fired and not self.fires


@dataclass(frozen=True, slots=True)
class Proposal:
    """A filter and what it would do. ``rules`` are those it is added to; ``true`` the alerts closed as true of every rule they feed.

    ``unproved`` are alerts closed as true whose events the store no longer has, or that they no longer raise: nothing is known of them.
    """

    rule: Rule
    conditions: tuple[Condition, ...]
    rules: tuple[CompiledRule, ...]
    false: tuple[Judged, ...]
    true: tuple[Judged, ...]
    others: tuple[Judged, ...]

    @property
    def hides(self) -> tuple[Judged, ...]:
        """Alerts closed as false that would not have been raised."""
        return tuple(one for one in self.false if one.hidden)

    @property
    def lost(self) -> tuple[Judged, ...]:
        """Alerts closed as true that would not have been raised: must be empty."""
        return tuple(one for one in self.true if one.hidden)

    @property
    def unproved(self) -> tuple[Judged, ...]:
        """Alerts closed as true about which the events left say nothing."""
        return tuple(one for one in self.true if not one.fired)

    @property
    def fingerprint(self) -> str:
        """What a person was shown: the conditions, hashed."""
        said = [(one.field, type(one.value).__name__, str(one.value)) for one in self.conditions]
        return hashlib.sha256(json.dumps([self.rule.id, said]).encode()).hexdigest()[:32]

    @property
    def holds(self) -> bool:
        """Whether it hides something false and nothing true."""
        return bool(self.conditions) and bool(self.hides) and not self.lost


@dataclass(frozen=True, slots=True)
class Signature:
    """Who answers for a filter, why it is right, and its last day."""

    owner: str
    reason: str
    expires: date


@dataclass(frozen=True, slots=True)
class Tuning:
    """Proposes filters, proves them and writes them.

    ``load`` gives the rule set of the watch with further folders beside; ``folder`` is the operator's. ``written`` hears of a new file.
    """

    database: Database
    events: EventStore
    load: Callable[[Sequence[Path]], Ruleset]
    folder: Path
    clock: Callable[[], datetime]
    written: Callable[[], None] = field(default=lambda: None)

    def propose(self, rule_id: str, actor: Principal) -> Proposal:
        """The smallest filter that hides the alerts closed as false, and its proof. Raises NotFound, Forbidden.

        ``conditions`` are empty where no alert was closed as false, or nothing tells them from the true ones.
        """
        require(actor, Permission.READ_ALERTS)
        ruleset = self.load(())
        if rule_id not in ruleset.alerting:
            raise NotFound("rule", rule_id)
        targets = ruleset.only([rule_id]).singles
        fed = ruleset.fed_by(one.rule.id for one in targets) & ruleset.alerting
        with self.database.reading() as connection:
            judged = _judged(connection, actor, fed)
        scope = Scope(actor.tenant)
        stories = {alert.id: self.events.get(ids, scope) for alert, ids in judged}
        now = _firing(ruleset, judged, stories)
        mine = [alert for alert, _ in judged if alert.rule_id == rule_id]
        false = [alert for alert in mine if alert.verdict is Verdict.FALSE_POSITIVE and now[alert.id]]
        true = [alert for alert, _ in judged if alert.verdict in _TRUE]
        asked = {name for one in targets for variant in one.variants for said in predicates(variant.tree) for name in fields_of(said)}
        conditions = smallest(
            [[event.fields for event in stories[alert.id]] for alert in false],
            [[event.fields for event in stories[alert.id]] for alert in true],
            asked=asked,
        )
        then = self._with(conditions, targets, judged, stories) if conditions else now
        seen = [Judged(alert, len(stories[alert.id]), now[alert.id], then[alert.id]) for alert, _ in judged]
        return Proposal(
            ruleset.rules[rule_id],
            conditions,
            targets,
            tuple(one for one in seen if one.alert.rule_id == rule_id and one.alert.verdict is Verdict.FALSE_POSITIVE),
            tuple(one for one in seen if one.alert.verdict in _TRUE),
            tuple(one for one in seen if one.alert.verdict is not Verdict.FALSE_POSITIVE and one.alert.verdict not in _TRUE),
        )

    def _with(
        self,
        conditions: Sequence[Condition],
        targets: Sequence[CompiledRule],
        judged: Sequence[tuple[Alert, Sequence[str]]],
        stories: Mapping[str, Sequence[Event]],
    ) -> dict[str, bool]:
        """Whether each alert fires with the filter beside the rules, in the very form in which it would be written."""
        with tempfile.TemporaryDirectory(prefix="filter-") as folder:
            signature = Signature("proof", "proof", date.max - timedelta(days=1))
            (Path(folder) / "proposed.yml").write_text(render(conditions, targets, signature, "proposed"), encoding="utf-8")
            ruleset = self.load([Path(folder)])
        wrong = [error for error in ruleset.errors if error.path.endswith("proposed.yml")]
        if wrong:
            raise OperationError("proving the filter", str(wrong[0]), retry_helps=False)
        return _firing(ruleset, judged, stories)

    def write(self, rule_id: str, expected: str, signature: Signature, actor: Principal) -> Path:
        """Prove again, write the filter into the operator's folder and leave a Change. Raises NotFound, Forbidden, Refused.

        ``expected`` is the fingerprint of what the person was shown: if the alerts have moved on since, they are shown the new proposal
        first.
        """
        require(actor, Permission.TUNE_RULES)
        if not actor.sees(None, actor.tenant):
            raise Refused("filtre", "Un filtre vaut pour tous les établissements ; il faut les voir tous pour l’écrire.")
        now = self.clock()
        _check(signature, now)
        proposal = self.propose(rule_id, actor)
        if not hmac.compare_digest(expected.encode(), proposal.fingerprint.encode()):
            raise Refused("filtre", "Des alertes ont été classées depuis ; relisez la nouvelle proposition.")
        if not proposal.holds:
            raise Refused("filtre", "Ce filtre ne cacherait rien de faux, ou cacherait une alerte avérée.")
        identifier = str(uuid.uuid4())
        title = f"Leaves out of {proposal.rule.title}: {', '.join(f'{one.field} {one.value}' for one in proposal.conditions)}"
        text = render(proposal.conditions, proposal.rules, signature, identifier, title=title)
        path = _write(self.folder / "filters", f"{Path(proposal.rule.path).stem}_{identifier[:8]}.yml", text)
        wrong = [error for error in self.load(()).errors if error.path.endswith(path.name)]
        if wrong:
            path.unlink()
            raise OperationError("writing the filter", str(wrong[0]), retry_helps=False)
        with self.database.transaction() as connection:
            write_change(connection, ("rule", rule_id), "filter", (None, path.name), actor.subject, now, signature.reason)
        self.written()
        return path


def render(
    conditions: Sequence[Condition], rules: Sequence[CompiledRule], signature: Signature, identifier: str, *, title: str = "Proposed filter"
) -> str:
    """The filter's file: one document for each log source of the rules."""
    by_source: dict[tuple[tuple[str, str], ...], list[CompiledRule]] = {}
    for one in rules:
        by_source.setdefault(_logsource(one), []).append(one)
    wanted: dict[str, list[object]] = {}
    for condition in conditions:
        wanted.setdefault(condition.field, []).append(_escaped(condition.value))
    selection = {name if len(values) == 1 else f"{name}|all": values[0] if len(values) == 1 else values for name, values in wanted.items()}
    documents = [
        {
            "title": title,
            "id": identifier if number == 0 else str(uuid.uuid5(uuid.NAMESPACE_OID, f"{identifier}:{number}")),
            "logsource": dict(source),
            "filter": {"rules": [one.name or one.rule.id for one in of_source], "selection": selection, "condition": "not selection"},
            "veilleur": {"owner": signature.owner, "reason": signature.reason, "expires": signature.expires.isoformat()},
        }
        for number, (source, of_source) in enumerate(by_source.items())
    ]
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


class _Plain(yaml.SafeDumper):
    """Writes a value that stands in two documents twice, instead of referring from one to the other."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _logsource(one: CompiledRule) -> tuple[tuple[str, str], ...]:
    """The log source as the rule's own document says it."""
    for body in yaml.load_all(one.rule.source_text, Loader=RuleYaml):
        if isinstance(body, dict) and body.get("id") == one.rule.id:
            said = body["logsource"]
            return tuple((key, str(said[key])) for key in ("product", "category", "service") if said.get(key))
    raise DataError(one.rule.path, 0, "logsource", "the rule's document is not in its file")


def _escaped(value: object) -> object:
    """A value that means itself in Sigma, where ``*``, ``?`` and a backslash before them mean something else."""
    if not isinstance(value, str):
        return value
    return value.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


def _check(signature: Signature, now: datetime) -> None:
    for name, said in (("responsable", signature.owner), ("motif", signature.reason)):
        if not said.strip() or not said.isprintable():
            raise Refused(name, "Ce champ est à remplir, sur une ligne.")
        if len(said) > _LONGEST_TEXT:
            raise Refused(name, f"Au plus {_LONGEST_TEXT} caractères.")
    today = now.astimezone(UTC).date()
    if not today <= signature.expires <= today + LONGEST_LIFE:
        raise Refused("echeance", "Choisissez un dernier jour entre aujourd’hui et dans un an.")


def _write(folder: Path, name: str, text: str) -> Path:
    """Whole or not at all: another process that loads rules meanwhile never sees half a file."""
    path, unfinished = folder / name, folder / f".{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with unfinished.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OperationError("writing the filter", f"{path}: {error.strerror}", retry_helps=True) from error
    return path


def _judged(connection: Connection, actor: Principal, rule_ids: frozenset[str]) -> list[tuple[Alert, Sequence[str]]]:
    """Alerts of these rules that the person sees, with the ids of their events, the latest first."""
    query = (
        select(alerts)
        .where(alerts.c.rule_id.in_(sorted(rule_ids)), seen_by(actor, alerts), alerts.c.state != AlertState.MERGED.value)
        .order_by(alerts.c.last_at.desc(), alerts.c.id)
        .limit(_MOST_ALERTS)
    )
    rows = list(connection.execute(query).mappings())
    entities = entities_of(connection, [row["id"] for row in rows])
    found: list[tuple[Alert, Sequence[str]]] = []
    for row in rows:
        ids = select(alert_events.c.event_id).where(alert_events.c.alert_id == row["id"]).order_by(alert_events.c.at).limit(_MOST_EVENTS)
        found.append((to_alert(row, entities.get(row["id"], {})), list(connection.scalars(ids))))
    return found


def _firing(ruleset: Ruleset, judged: Sequence[tuple[Alert, Sequence[str]]], stories: Mapping[str, Sequence[Event]]) -> dict[str, bool]:
    """For each alert, whether its events alone raise it again: the same rule about the same group."""
    engines: dict[str, Engine] = {}
    firing: dict[str, bool] = {}
    for alert, _ in judged:
        events = stories[alert.id]
        rule = ruleset.rules.get(alert.rule_id)
        if not events or rule is None:
            firing[alert.id] = False
            continue
        engine = engines.get(rule.id)
        if engine is None or rule.correlation:  # a correlation remembers the events of the alert before; a plain rule does not
            engine = engines[rule.id] = Engine(ruleset.only([rule.id]))
        found = [*engine.evaluate(events), *engine.flush()]
        firing[alert.id] = any(one.rule_id == rule.id and tuple(sorted(one.group)) == alert.group for one in found)
    return firing
