"""What a schema cannot check of a playbook: names that dangle, steps nobody reaches, loops, variables nobody declares.

Each problem is (place, sentence); a place is the path of names from the top of the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from siem.access import PERMISSIONS, Permission, Role
from siem.response.action import ActionKind
from siem.response.condition import ConditionError, parse_condition
from siem.response.model import ActionClass
from siem.response.playbook import APPROVAL_EXTENSION, EXTERNALS, TRIGGER_EXTENSION, Playbook, Step, StepType

Problem = tuple[list[str], str]

#: How far each marking may be shared; the greater the wider. A playbook that calls another hands its content over.
_TLP_WIDTH: Final = {"TLP:RED": 0, "TLP:AMBER+STRICT": 1, "TLP:AMBER": 2, "TLP:GREEN": 3, "TLP:CLEAR": 4, "": 4}


def problems_of(playbook: Playbook, actions: Sequence[ActionKind]) -> list[Problem]:
    """Everything wrong with one playbook by itself."""
    found = [*_head(playbook), *_definitions(playbook), *_pointers(playbook)]
    if not found:
        found += [*_flow(playbook)]
    by_name = {action.name: action for action in actions}
    for step in playbook.steps.values():
        found += [*_step(playbook, step, by_name)]
    return found


def _head(playbook: Playbook) -> Iterator[Problem]:
    if playbook.modified < playbook.created:
        yield ["modified"], "is before created"
    if playbook.valid_from and playbook.valid_until and playbook.valid_until <= playbook.valid_from:
        yield ["valid_until"], "must be after valid_from"
    starts = [step.id for step in playbook.steps.values() if step.type is StepType.START]
    if playbook.start not in playbook.steps:
        yield ["workflow_start"], f"names {playbook.start}, which is not in the workflow"
    for extra in (each for each in starts if each != playbook.start):
        yield ["workflow", extra], "is a second start step; a workflow has exactly one"
    if playbook.exception and playbook.exception not in playbook.steps:
        yield ["workflow_exception"], f"names {playbook.exception}, which is not in the workflow"
    for name, variable in playbook.variables.items():
        if variable.external and variable.value is None and name not in EXTERNALS:
            yield ["playbook_variables", name], f"is external, but an incident gives only {', '.join(sorted(EXTERNALS))}"


def _definitions(playbook: Playbook) -> Iterator[Problem]:
    definitions = playbook.source.get("extension_definitions", {})
    used = {key for step in playbook.source["workflow"].values() for key in step.get("step_extensions", {})}
    for key in sorted(used | set(playbook.source.get("playbook_extensions", {}))):
        if key not in definitions:
            yield ["extension_definitions"], f"does not define {key}, which is used"
        if key not in (APPROVAL_EXTENSION, TRIGGER_EXTENSION):
            yield ["extension_definitions", key], "is not an extension we know"
    for marking in playbook.source.get("markings", ()):
        if marking not in playbook.source.get("data_marking_definitions", {}):
            yield ["markings"], f"names {marking}, which is not in data_marking_definitions"


def _pointers(playbook: Playbook) -> Iterator[Problem]:
    for step in playbook.steps.values():
        if not step.id.startswith(f"{step.type.value}--"):
            yield ["workflow", step.id], f"is of type {step.type.value}, so its id must begin with {step.type.value}--"
        written = playbook.source["workflow"][step.id]
        if "on_completion" in written and ("on_success" in written or "on_failure" in written):
            yield ["workflow", step.id, "on_completion"], "excludes on_success and on_failure"
        for field, target in step.pointers():
            if target not in playbook.steps:
                yield ["workflow", step.id, _written(playbook, step, field)], f"names {target}, which is not in the workflow"
            elif target == playbook.start:
                yield ["workflow", step.id, _written(playbook, step, field)], "leads back to the start"
        if step.approval and step.approval.compensation and step.approval.compensation not in playbook.steps:
            yield ["workflow", step.id, "compensation"], f"names {step.approval.compensation}, which is not in the workflow"


def _written(playbook: Playbook, step: Step, field: str) -> str:
    return "on_completion" if field == "on_success" and "on_completion" in playbook.source["workflow"][step.id] else field


def _flow(playbook: Playbook) -> Iterator[Problem]:
    """Loops, branches that end nowhere, steps nobody reaches."""
    done: set[str] = set()
    for root in (playbook.start, playbook.exception):
        if root:
            yield from _loops(playbook, root, (), done)
    compensations = {step.approval.compensation for step in playbook.steps.values() if step.approval}
    for step in playbook.steps.values():
        if step.id not in done and step.id not in compensations:
            yield ["workflow", step.id], "is never reached from workflow_start or workflow_exception"
        joined = step.type in (StepType.PARALLEL, StepType.IF)
        if step.type is not StepType.END and step.after_success is None and not joined:
            yield ["workflow", step.id], "leads nowhere: give on_completion or on_success, or end the branch with an end step"


def _loops(playbook: Playbook, step_id: str, trail: tuple[str, ...], done: set[str]) -> Iterator[Problem]:
    if step_id in trail:
        yield ["workflow", step_id], f"is in a loop: {' → '.join([*trail[trail.index(step_id) :], step_id])}"
        return
    if step_id in done:
        return
    done.add(step_id)
    for _, target in playbook.steps[step_id].pointers():
        yield from _loops(playbook, target, (*trail, step_id), done)


def _step(playbook: Playbook, step: Step, actions: Mapping[str, ActionKind]) -> Iterator[Problem]:
    place = ["workflow", step.id]
    for field, names in (("in_args", step.in_args), ("out_args", step.out_args)):
        for name in names:
            if name not in playbook.variables:
                yield [*place, field], f"{name} is not among playbook_variables"
            elif field == "out_args" and (playbook.variables[name].constant or playbook.variables[name].external):
                yield [*place, field], f"{name} is constant or external and cannot be written"
    if step.type is StepType.ACTION:
        yield from _action(playbook, step, actions)
    if step.condition is not None:
        yield from _condition(playbook, step, step.condition)
    if step.approval and step.approval.people:
        yield from _approval(step)


def _condition(playbook: Playbook, step: Step, text: str) -> Iterator[Problem]:
    place = ["workflow", step.id, "condition"]
    try:
        names_read = parse_condition(text).variables
    except ConditionError as error:
        yield place, str(error)
        return
    for name in sorted(names_read - playbook.variables.keys()):
        yield place, f"{name} is not among playbook_variables"


def _action(playbook: Playbook, step: Step, actions: Mapping[str, ActionKind]) -> Iterator[Problem]:
    place = ["workflow", step.id]
    if step.agent not in playbook.source.get("agent_definitions", {}):
        yield [*place, "agent"], f"{step.agent} is not among agent_definitions"
    for target in step.targets:
        if target not in playbook.source.get("target_definitions", {}):
            yield [*place, "targets"], f"{target} is not among target_definitions"
    action = actions.get(step.action or "")
    if action is None:
        yield [*place, "commands"], f"{step.action} is not an action; there are {', '.join(sorted(actions))}"
        return
    given = {name.strip("_") for name in step.in_args}
    for name in sorted(set(action.inputs) - given):
        yield [*place, "in_args"], f"{action.name} needs __{name}__"
    for name in sorted(given - set(action.inputs) - set(action.options)):
        yield [*place, "in_args"], f"{action.name} does not take __{name}__"
    for name in sorted({name.strip("_") for name in step.out_args} - set(action.outputs)):
        yield [*place, "out_args"], f"{action.name} does not give __{name}__; it gives {', '.join(sorted(action.outputs)) or 'nothing'}"
    people = step.approval.people if step.approval else 0
    if action.action_class is not ActionClass.READ and people == 0:
        yield [*place, "step_extensions"], f"{action.name} changes something ({action.action_class.value}): it needs an approval"


def _approval(step: Step) -> Iterator[Problem]:
    approval = step.approval
    if approval is None:
        return
    place = ["workflow", step.id, "step_extensions"]
    if step.type is not StepType.ACTION:
        yield place, "only an action can ask for an approval"
    if not any(Permission.APPROVE_ACTIONS in PERMISSIONS[Role(role)] for role in approval.roles):
        yield place, f"none of the roles {', '.join(approval.roles)} may approve actions"


def problems_among(playbook: Playbook, others: Mapping[str, Playbook]) -> list[Problem]:
    """What is wrong with the playbooks that this one calls: unknown, calling back, or shared less widely than it."""
    found: list[Problem] = []
    for step in playbook.steps.values():
        if step.type is not StepType.PLAYBOOK:
            continue
        place = ["workflow", step.id, "playbook_id"]
        called = others.get(step.playbook_id or "")
        if called is None:
            found.append((place, f"{step.playbook_id} is not a playbook of this folder"))
        elif playbook.id in _called_by(called, others):
            found.append((place, f"{called.id} calls this playbook back"))
        elif _TLP_WIDTH[called.tlp] > _TLP_WIDTH[playbook.tlp] and called.tlp:
            found.append((place, f"{called.id} is marked {called.tlp}, wider than {playbook.tlp}"))
    return found


def _called_by(playbook: Playbook, others: Mapping[str, Playbook]) -> set[str]:
    reached: set[str] = set()
    waiting = [playbook.id]
    while waiting:
        current = waiting.pop()
        if current in reached or current not in others:
            continue
        reached.add(current)
        waiting += [step.playbook_id for step in others[current].steps.values() if step.playbook_id]
    return reached
