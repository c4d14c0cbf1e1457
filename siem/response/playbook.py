"""Playbooks: CACAO 2.0 files as plain records.

Source: OASIS CACAO Security Playbooks 2.0, Committee Specification 01. Of its eight kinds of steps we run six: start, end,
action, playbook-action, parallel, if-condition. Two extensions of our own, on top of a file that stays valid CACAO:
what a step needs before it may act (:class:`siem.response.model.Approval`), and when a playbook is proposed (:class:`Trigger`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from siem.incidents.model import RANK, Incident, Severity
from siem.response.model import Approval

#: Keys of our extensions in ``step_extensions`` and ``playbook_extensions``.
APPROVAL_EXTENSION: Final = "extension-definition--6a5f8a0e-3c1d-4d52-9a55-0c1f4b7f2e11"
TRIGGER_EXTENSION: Final = "extension-definition--b7d1c3f4-8e26-4f0b-8b1a-52a9e6d07c34"

#: Type of our commands: ``command`` names an action of :data:`siem.response.actions.ACTIONS`.
COMMAND_TYPE: Final = "veilleur-action"


class StepType(StrEnum):
    """Kinds of steps, by their CACAO names."""

    START = "start"
    END = "end"
    ACTION = "action"
    PLAYBOOK = "playbook-action"
    PARALLEL = "parallel"
    IF = "if-condition"


@dataclass(frozen=True, slots=True)
class Variable:
    """A playbook variable. ``external`` ones are given by the incident (:func:`externals`)."""

    name: str
    type: str
    value: str | None
    constant: bool
    external: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. ``after_success`` and ``after_failure`` hold on_completion, on_success and on_failure."""

    id: str
    type: StepType
    name: str
    description: str
    after_success: str | None = None
    after_failure: str | None = None
    delay: timedelta = timedelta(0)
    timeout: timedelta | None = None
    action: str | None = None
    agent: str | None = None
    targets: tuple[str, ...] = ()
    in_args: tuple[str, ...] = ()
    out_args: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    condition: str | None = None
    on_true: str | None = None
    on_false: str | None = None
    playbook_id: str | None = None
    approval: Approval | None = None

    def pointers(self) -> Iterator[tuple[str, str]]:
        """Every other step it names, with the property that does."""
        named = (
            ("on_success", self.after_success),
            ("on_failure", self.after_failure),
            ("on_true", self.on_true),
            ("on_false", self.on_false),
        )
        for field, target in named:
            if target is not None:
                yield field, target
        for target in self.branches:
            yield "next_steps", target


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a playbook is proposed: any of ``techniques`` (sub-techniques count), from ``severity`` on.

    ``automatic``: it then starts by itself; a step that needs an approval still waits for it.
    """

    techniques: frozenset[str]
    severity: Severity
    automatic: bool

    def fits(self, incident: Incident) -> bool:
        """Whether the incident is of the kind the playbook is for."""
        found = set(incident.techniques) | {technique.split(".")[0] for technique in incident.techniques}
        return bool(found & self.techniques) and RANK[incident.severity] >= RANK[self.severity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """A playbook. ``source`` is the file's object; a run keeps it, so that an edited file never changes a run under way."""

    id: str
    name: str
    description: str
    path: str
    created: datetime
    modified: datetime
    valid_from: datetime | None
    valid_until: datetime | None
    revoked: bool
    tlp: str
    labels: tuple[str, ...]
    start: str
    exception: str | None
    steps: Mapping[str, Step]
    variables: Mapping[str, Variable]
    trigger: Trigger | None
    source: Mapping[str, Any]

    def in_force(self, now: datetime) -> bool:
        """Whether it may be started now."""
        if self.revoked:
            return False
        return (self.valid_from is None or self.valid_from <= now) and (self.valid_until is None or now < self.valid_until)

    def ordered(self) -> tuple[Step, ...]:
        """Steps in the order a reader follows: depth first, success before failure, the exception last."""
        seen: dict[str, None] = {}
        for root in (self.start, self.exception):
            waiting = [root] if root else []
            while waiting:
                step_id = waiting.pop()
                if step_id in seen:
                    continue
                seen[step_id] = None
                step = self.steps[step_id]
                inner = [*step.branches, *(each for each in (step.on_true, step.on_false) if each)]
                waiting.extend(reversed([*inner, *(each for each in (step.after_success, step.after_failure) if each)]))
        return tuple(self.steps[step_id] for step_id in seen)


#: External variables that an incident gives, and what each holds. Lists are joined by a comma.
EXTERNALS: Final[Mapping[str, str]] = {
    "__incident__": "number of the incident",
    "__personnes__": "pseudonyms of the people concerned",
    "__sessions__": "session identifiers",
    "__adresses__": "source addresses",
    "__services__": "services concerned",
    "__etablissement__": "FINESS of the main establishment",
    "__techniques__": "ATT&CK techniques",
    "__gravite__": "severity (critical, high, medium, low, informational)",
}


def externals(incident: Incident) -> dict[str, str]:
    """Values of EXTERNALS for an incident."""
    entities = incident.entities
    return {
        "__incident__": incident.number,
        "__personnes__": ",".join(entities.get("user", ())),
        "__sessions__": ",".join(entities.get("session", ())),
        "__adresses__": ",".join(entities.get("source.ip", ())),
        "__services__": ",".join(entities.get("service", ())),
        "__etablissement__": incident.finess or "",
        "__techniques__": ",".join(incident.techniques),
        "__gravite__": incident.severity.value,
    }


def parse(source: Mapping[str, Any], path: str) -> Playbook:
    """Build the record from an object that passed the schema (:mod:`.load`); names that dangle are found by :mod:`.validate`."""
    extension = source.get("playbook_extensions", {}).get(TRIGGER_EXTENSION)
    markings = source.get("data_marking_definitions", {})
    return Playbook(
        id=source["id"],
        name=source["name"],
        description=source.get("description", ""),
        path=path,
        created=_instant(source["created"]),
        modified=_instant(source["modified"]),
        valid_from=_instant(source["valid_from"]) if "valid_from" in source else None,
        valid_until=_instant(source["valid_until"]) if "valid_until" in source else None,
        revoked=source.get("revoked", False),
        tlp=next((str(each["tlpv2_level"]) for each in markings.values() if "tlpv2_level" in each), ""),
        labels=tuple(source.get("labels", ())),
        start=source["workflow_start"],
        exception=source.get("workflow_exception"),
        steps={step_id: _step(step_id, step) for step_id, step in source["workflow"].items()},
        variables={name: _variable(name, each) for name, each in source.get("playbook_variables", {}).items()},
        trigger=_trigger(extension) if extension else None,
        source=source,
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _variable(name: str, value: Mapping[str, Any]) -> Variable:
    return Variable(name, value["type"], value.get("value"), value.get("constant", False), value.get("external", False))


def _trigger(extension: Mapping[str, Any]) -> Trigger:
    return Trigger(
        techniques=frozenset(extension["techniques"]),
        severity=Severity(extension.get("gravite", "high")),
        automatic=extension.get("demarrage", "propose") == "automatique",
    )


def _step(step_id: str, step: Mapping[str, Any]) -> Step:
    approval = step.get("step_extensions", {}).get(APPROVAL_EXTENSION)
    commands = step.get("commands", ())
    return Step(
        id=step_id,
        type=StepType(step["type"]),
        name=step.get("name", ""),
        description=step.get("description", ""),
        after_success=step.get("on_completion", step.get("on_success")),
        after_failure=step.get("on_failure"),
        delay=timedelta(milliseconds=step.get("delay", 0)),
        timeout=timedelta(milliseconds=step["timeout"]) if "timeout" in step else None,
        action=commands[0]["command"] if commands else None,
        agent=step.get("agent"),
        targets=tuple(step.get("targets", ())),
        in_args=tuple(step.get("in_args", ())),
        out_args=tuple(step.get("out_args", ())),
        branches=tuple(step.get("next_steps", ())),
        condition=step.get("condition"),
        on_true=step.get("on_true"),
        on_false=step.get("on_false"),
        playbook_id=step.get("playbook_id"),
        approval=_approval(approval) if approval else None,
    )


#: Words of ``approbation``, and how many people each means.
APPROVERS: Final[Mapping[str, int]] = {"aucune": 0, "une": 1, "deux-personnes": 2}


def _approval(extension: Mapping[str, Any]) -> Approval:
    return Approval(
        people=APPROVERS[extension["approbation"]],
        roles=tuple(extension.get("roles", ("analyste", "responsable"))),
        delay=timedelta(milliseconds=extension["delai_ms"]) if "delai_ms" in extension else None,
        on_expiry=extension.get("a_expiration", "refuser"),
        reason_required=extension.get("justification_requise", False),
        separation=extension.get("separation", False),
        compensation=extension.get("compensation"),
    )
