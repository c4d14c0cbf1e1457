"""Where a run stands: a plain function of the playbook and the states of its steps, worked out anew each time.

Nothing about the flow is stored besides the state of each step, so that a process that died anywhere is taken up by
asking again, and a retried step finds its way without undoing anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from siem.response.condition import parse_condition
from siem.response.model import StepState
from siem.response.playbook import Playbook, Step, StepType

#: States of a step that did not do what it was for.
UNSUCCESSFUL: Final = frozenset({StepState.FAILED, StepState.TIMED_OUT, StepState.REFUSED, StepState.EXPIRED})


class Outcome(Enum):
    """Of a branch, up to its end."""

    PENDING = auto()
    DONE = auto()
    FAILED = auto()


@dataclass(slots=True)
class Plan:
    """``frontier``: steps that may begin or are under way, in order.

    ``passed``: steps done by being reached (start, end, join), with what a condition said.
    """

    outcome: Outcome
    frontier: list[Step] = field(default_factory=list)
    passed: dict[str, str] = field(default_factory=dict)
    failed_step: str | None = None


def plan(playbook: Playbook, states: Mapping[str, StepState], chosen: Mapping[str, bool], variables: Mapping[str, str]) -> Plan:
    """Work out what is next.

    ``chosen`` holds what conditions said when they were reached: a condition is decided once, on the values of that moment.
    """
    walker = _Walker(playbook, states, chosen, variables, Plan(Outcome.PENDING))
    walker.plan.outcome = walker.walk(playbook.start)
    return walker.plan


@dataclass(slots=True)
class _Walker:
    playbook: Playbook
    states: Mapping[str, StepState]
    chosen: Mapping[str, bool]
    variables: Mapping[str, str]
    plan: Plan

    def walk(self, step_id: str) -> Outcome:
        """Follow a branch from a step as far as it has come."""
        step = self.playbook.steps[step_id]
        if step.type is StepType.END:
            self.plan.passed[step.id] = ""
            return Outcome.DONE
        if step.type is StepType.START:
            self.plan.passed[step.id] = ""
            return self._after(step, Outcome.DONE)
        if step.type is StepType.IF:
            return self._condition(step)
        if step.type is StepType.PARALLEL:
            return self._parallel(step)
        state = self.states[step.id]
        if state is StepState.COMPLETED:
            return self._after(step, Outcome.DONE)
        if state in UNSUCCESSFUL:
            return self._after(step, Outcome.FAILED)
        if step not in self.plan.frontier:
            self.plan.frontier.append(step)
        return Outcome.PENDING

    def _after(self, step: Step, outcome: Outcome) -> Outcome:
        """What follows a step, or a joined branch, that came to an end."""
        if outcome is Outcome.PENDING:
            return outcome
        if outcome is Outcome.DONE:
            return self.walk(step.after_success) if step.after_success else Outcome.DONE
        if step.after_failure:
            return self.walk(step.after_failure)
        self.plan.failed_step = self.plan.failed_step or step.id
        exception = self.playbook.exception
        if exception and exception != step.id and not self._within(exception, step.id):
            return Outcome.PENDING if self.walk(exception) is Outcome.PENDING else Outcome.FAILED
        return Outcome.FAILED

    def _within(self, root: str, step_id: str) -> bool:
        """Whether a step belongs to the branch that begins at ``root`` (an exception does not handle itself)."""
        seen: set[str] = set()
        waiting = [root]
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            waiting += [target for _, target in self.playbook.steps[current].pointers()]
        return step_id in seen

    def _condition(self, step: Step) -> Outcome:
        holds = self.chosen.get(step.id)
        if holds is None:
            holds = parse_condition(step.condition or "").holds(self.variables)
        self.plan.passed[step.id] = "true" if holds else "false"
        branch = step.on_true if holds else step.on_false
        return self._after(step, self.walk(branch) if branch else Outcome.DONE)

    def _parallel(self, step: Step) -> Outcome:
        outcomes = [self.walk(branch) for branch in step.branches]
        self.plan.passed[step.id] = ""
        if Outcome.PENDING in outcomes:
            return Outcome.PENDING
        return self._after(step, Outcome.FAILED if Outcome.FAILED in outcomes else Outcome.DONE)
