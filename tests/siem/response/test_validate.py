from siem.response.actions import ACTIONS
from siem.response.validate import problems_among, problems_of
from tests.siem.response.conftest import ONE, PLAYBOOKS, action_step, named, playbook


def test_a_playbook_of_ours_has_no_problem() -> None:
    for each in PLAYBOOKS.values():
        assert problems_of(each, ACTIONS) == []
        assert problems_among(each, PLAYBOOKS) == []


def test_a_loop_through_the_exception_is_found() -> None:
    made = playbook(
        {
            named("action", 1): action_step("watch_account", on_completion=named("end", 1)),
            named("action", 8): action_step("open_dossier", on_completion=named("action", 9)),
            named("action", 9): action_step("open_dossier", on_completion=named("action", 8)),
        },
        workflow_exception=named("action", 8),
    )
    assert any("in a loop" in problem for _, problem in problems_of(made, ACTIONS))


def test_a_compensation_must_exist_and_need_not_be_reached() -> None:
    approval = ONE | {"compensation": named("action", 5)}
    workflow = {named("action", 1): action_step("revoke_sessions", approval=approval, on_completion=named("end", 1))}
    assert [place[-1] for place, _ in problems_of(playbook(workflow), ACTIONS)] == ["compensation"]
    workflow[named("action", 5)] = action_step("watch_account", on_completion=named("end", 1))
    assert problems_of(playbook(workflow), ACTIONS) == []


def test_steps_that_meet_again_are_no_loop() -> None:
    made = playbook(
        {
            named("action", 1): action_step("watch_account", on_success=named("action", 2), on_failure=named("action", 2)),
            named("action", 2): action_step("open_dossier", on_completion=named("end", 1)),
        }
    )
    assert problems_of(made, ACTIONS) == []
