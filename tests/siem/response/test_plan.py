from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from siem.response.model import StepState
from siem.response.plan import Outcome, plan
from tests.siem.response.conftest import PLAYBOOKS, action_step, named, playbook

FINAL = (StepState.COMPLETED, StepState.FAILED, StepState.TIMED_OUT, StepState.REFUSED, StepState.EXPIRED)


@given(data=st.data(), made=st.sampled_from(sorted(PLAYBOOKS.values(), key=lambda each: each.id)))
def test_whatever_steps_do_every_run_of_our_playbooks_comes_to_an_end(data: st.DataObject, made: Any) -> None:
    states = dict.fromkeys(made.steps, StepState.PENDING)
    values = {name: data.draw(st.sampled_from(("", "0", "2", "high", "low", "T1020"))) for name in made.variables}
    for _ in range(len(states) + 1):
        now_at = plan(made, states, {}, values)
        if now_at.outcome is not Outcome.PENDING:
            break
        assert now_at.frontier
        for step in now_at.frontier:
            assert states[step.id] is StepState.PENDING
            states[step.id] = data.draw(st.sampled_from(FINAL))
    assert now_at.outcome is not Outcome.PENDING
    assert not now_at.frontier


def test_a_condition_is_decided_once_whatever_becomes_of_its_variables() -> None:
    made = playbook(
        {
            named("start", 1): {"type": "start", "on_completion": named("if-condition", 1)},
            named("if-condition", 1): {
                "type": "if-condition",
                "condition": "__gravite__:value = 'low'",
                "on_true": named("action", 1),
                "on_false": named("end", 1),
            },
            named("action", 1): action_step("open_dossier", on_completion=named("end", 1)),
        }
    )
    states = dict.fromkeys(made.steps, StepState.PENDING)
    first = plan(made, states, {}, {"__gravite__": "low"})
    assert [step.action for step in first.frontier] == ["open_dossier"]
    later = plan(made, states, {named("if-condition", 1): True}, {"__gravite__": "high"})
    assert [step.action for step in later.frontier] == ["open_dossier"]


def test_a_parallel_with_a_failed_branch_fails_after_the_others_ended() -> None:
    made = playbook(
        {
            named("start", 1): {"type": "start", "on_completion": named("parallel", 1)},
            named("parallel", 1): {
                "type": "parallel",
                "next_steps": [named("action", 1), named("action", 2)],
                "on_success": named("end", 1),
                "on_failure": named("action", 3),
            },
            **{named("action", n): action_step("open_dossier", on_completion=named("end", n + 1)) for n in (1, 2, 3)},
            **{named("end", n + 1): {"type": "end"} for n in (1, 2, 3)},
        }
    )
    states = dict.fromkeys(made.steps, StepState.PENDING) | {named("action", 1): StepState.FAILED}
    assert [step.id for step in plan(made, states, {}, {}).frontier] == [named("action", 2)]
    states[named("action", 2)] = StepState.COMPLETED
    assert [step.id for step in plan(made, states, {}, {}).frontier] == [named("action", 3)]
