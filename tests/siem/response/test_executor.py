from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, func, select

from siem.incidents.model import Forbidden, Refused
from siem.incidents.store import watch_list
from siem.response.action import Action, Context, Result
from siem.response.actions import build
from siem.response.model import Run, RunState, StepState
from tests.siem.incidents.conftest import ANALYST, LEAD
from tests.siem.response.conftest import COMPROMISED, ONE, Bench, action_step, named, one_approved_step, playbook, started, step_of


class Killed(BaseException):
    """The process was killed here."""


class Kill:
    """Counts the places where a process can die, and dies at one of them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def here(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed


def mortal(bench: Bench, kill: Kill) -> None:
    """Let the bench's process die before or after each commit, and before or after each action."""
    transaction = bench.watch.database.transaction

    @contextmanager
    def dying_transaction() -> Iterator[Connection]:
        kill.here()
        with transaction() as conn:
            yield conn
            kill.here()
        kill.here()

    bench.watch.database.transaction = dying_transaction  # type: ignore[method-assign]
    for action in bench.actions.values():
        _make_mortal(action, kill)


def _make_mortal(action: Action, kill: Kill) -> None:
    execute = action.execute

    def dying(context: Context) -> Result:
        kill.here()
        result = execute(context)
        kill.here()
        return result

    action.execute = dying  # type: ignore[method-assign]


def drive(bench: Bench) -> Run:
    """What the application and a person do, from wherever things stand."""
    bench.propose()
    bench.advance()
    run = next(each for each in bench.runs.of_incident(ANALYST, bench.incident().id) if each.playbook_id == COMPROMISED.id)
    step = step_of(run, "revoke_sessions")
    if step.state is StepState.AWAITING_APPROVAL:
        bench.runs.approve(run.id, step.step_id, ANALYST, "confirmé par téléphone")
    bench.advance()
    return bench.runs.get(ANALYST, run.id)


def test_killed_between_any_two_writes_each_action_takes_effect_once(make_bench: Callable[..., Bench]) -> None:
    unharmed = Kill(0)
    bench = make_bench().attacked()
    mortal(bench, unharmed)
    expected = drive(bench)
    assert expected.state is RunState.COMPLETED
    assert unharmed.count > 30
    for at in range(1, unharmed.count + 1):
        bench = make_bench().attacked()
        bench.peer.revoked.clear()
        bench.peer.answers.clear()
        transaction = bench.watch.database.transaction
        mortal(bench, Kill(at))
        with pytest.raises(Killed):
            drive(bench)
        bench.watch.database.transaction = transaction  # type: ignore[method-assign]
        bench.actions = build(bench.services())
        bench.runs = bench.make_runs()
        run = drive(bench)
        assert run.state is RunState.COMPLETED, at
        assert len(bench.peer.revoked) == 1, at
        assert len(bench.evidence.manifests()) == 2, at
        assert len(bench.dossiers) == 1, at
        with bench.watch.database.reading() as conn:
            assert conn.scalar(select(func.count()).select_from(watch_list)) == 1, at
        assert [step.result for step in run.steps if step.action == "list_sessions"] == [step_of(expected, "list_sessions").result], at


@pytest.mark.parametrize(("on_expiry", "state"), [("refuser", StepState.EXPIRED), ("escalader", StepState.AWAITING_APPROVAL)])
def test_an_approval_nobody_gives_in_time_is_refused_or_goes_to_the_lead(
    make_bench: Callable[..., Bench], on_expiry: str, state: StepState
) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE | {"delai_ms": 60_000, "a_expiration": on_expiry}))
    bench.watch.now += timedelta(seconds=61)
    with pytest.raises(Refused, match="délai"):
        bench.runs.approve(run_id, named("action", 1), ANALYST)
    bench.advance()
    step = step_of(bench.runs.get(ANALYST, run_id), "revoke_sessions")
    assert step.state is state
    if on_expiry == "escalader":
        with pytest.raises(Forbidden):
            bench.runs.approve(run_id, named("action", 1), ANALYST)
        bench.runs.approve(run_id, named("action", 1), LEAD)
        bench.advance()
        assert len(bench.peer.revoked) == 1
    else:
        assert bench.runs.get(ANALYST, run_id).state is RunState.FAILED


def test_a_passing_failure_is_tried_again_later_under_the_same_key(make_bench: Callable[..., Bench]) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE))
    bench.peer.failures = [503, 503]
    bench.runs.approve(run_id, named("action", 1), ANALYST)
    bench.advance()
    assert step_of(bench.runs.get(ANALYST, run_id), "revoke_sessions").state is StepState.READY
    for _ in range(2):
        bench.watch.now += timedelta(seconds=5)
        bench.advance()
    step = step_of(bench.runs.get(ANALYST, run_id), "revoke_sessions")
    assert (step.state, step.attempts) == (StepState.COMPLETED, 3)
    assert len({key for path, key in bench.peer.calls if path.endswith("revocations")}) == 1
    assert len(bench.peer.revoked) == 1


def test_a_lasting_failure_fails_the_step_names_it_and_can_be_retried_by_a_person(make_bench: Callable[..., Bench]) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE))
    bench.peer.failures = [403]
    bench.runs.approve(run_id, named("action", 1), ANALYST)
    bench.advance()
    run = bench.runs.get(ANALYST, run_id)
    assert run.state is RunState.FAILED
    assert "Faire revoke_sessions" in run.error
    assert "HTTP 403, temporarily_unavailable" in step_of(run, "revoke_sessions").error
    assert "secret" not in step_of(run, "revoke_sessions").error
    bench.runs.retry(run_id, named("action", 1), ANALYST)
    bench.advance()
    assert bench.runs.get(ANALYST, run_id).state is RunState.COMPLETED
    assert len(bench.peer.revoked) == 1


def test_parallel_branches_are_joined_and_a_condition_chooses(make_bench: Callable[..., Bench]) -> None:
    workflow = {
        named("start", 1): {"type": "start", "on_completion": named("parallel", 1)},
        named("parallel", 1): {
            "type": "parallel",
            "next_steps": [named("action", 1), named("action", 2)],
            "on_completion": named("if-condition", 1),
        },
        named("action", 1): action_step("revoke_sessions", approval=ONE, on_completion=named("end", 2)),
        named("end", 2): {"type": "end"},
        named("action", 2): action_step("watch_account", on_completion=named("end", 3)),
        named("end", 3): {"type": "end"},
        named("if-condition", 1): {
            "type": "if-condition",
            "condition": "__gravite__:value = 'critical'",
            "on_true": named("action", 3),
            "on_false": named("action", 4),
            "on_completion": named("end", 1),
        },
        named("action", 3): action_step("open_dossier", on_completion=named("end", 4)),
        named("action", 4): action_step("preserve_evidence", on_completion=named("end", 4)),
        named("end", 4): {"type": "end"},
    }
    bench, run_id = started(make_bench, workflow)
    waiting = bench.runs.get(ANALYST, run_id)
    assert step_of(waiting, "watch_account").state is StepState.COMPLETED
    assert step_of(waiting, "open_dossier").state is StepState.PENDING
    bench.runs.approve(run_id, named("action", 1), ANALYST)
    bench.advance()
    run = bench.runs.get(ANALYST, run_id)
    assert run.state is RunState.COMPLETED
    assert step_of(run, "open_dossier").state is StepState.COMPLETED
    assert step_of(run, "preserve_evidence").state is StepState.SKIPPED


def test_a_called_playbook_ends_before_the_step_that_calls_it(make_bench: Callable[..., Bench]) -> None:
    inner = playbook(one_approved_step(ONE), number=2)
    outer = playbook(
        {
            named("start", 1): {"type": "start", "on_completion": named("playbook-action", 1)},
            named("playbook-action", 1): {
                "type": "playbook-action",
                "name": "Appeler",
                "playbook_id": inner.id,
                "on_completion": named("action", 1),
            },
            named("action", 1): action_step("watch_account", on_completion=named("end", 1)),
        }
    )
    bench = make_bench(playbooks={inner.id: inner, outer.id: outer}).attacked()
    run = bench.runs.start(bench.incident().id, outer.id, ANALYST)
    bench.advance()
    bench.runs = bench.make_runs()
    bench.advance()
    called = next(each for each in bench.runs.of_incident(ANALYST, bench.incident().id) if each.playbook_id == inner.id)
    assert called.state is RunState.WAITING
    assert step_of(bench.runs.get(ANALYST, run.id), "watch_account").state is StepState.PENDING
    bench.runs.approve(called.id, named("action", 1), LEAD)
    bench.advance()
    assert bench.runs.get(ANALYST, run.id).state is RunState.COMPLETED
    assert len(bench.peer.revoked) == 1


def test_an_exception_step_follows_a_failure_nobody_handles(make_bench: Callable[..., Bench]) -> None:
    workflow = {
        named("action", 1): action_step("revoke_sessions", approval=ONE, on_completion=named("end", 1)),
        named("action", 9): action_step("watch_account", on_completion=named("end", 9)),
        named("end", 9): {"type": "end"},
    }
    bench, run_id = started(make_bench, workflow, workflow_exception=named("action", 9))
    bench.runs.refuse(run_id, named("action", 1), ANALYST, "non")
    bench.advance()
    run = bench.runs.get(ANALYST, run_id)
    assert run.state is RunState.FAILED
    assert step_of(run, "watch_account").state is StepState.COMPLETED


def test_a_dry_run_walks_the_whole_playbook_and_touches_nothing(bench: Bench) -> None:
    run = bench.runs.start(bench.incident().id, COMPROMISED.id, ANALYST, dry_run=True)
    bench.advance()
    done = bench.runs.get(ANALYST, run.id)
    assert done.state is RunState.COMPLETED
    assert all(step.state is StepState.COMPLETED for step in done.steps)
    assert "Révoquerait" in step_of(done, "revoke_sessions").result
    assert bench.peer.calls == []
    assert bench.evidence.manifests() == ()
    assert bench.dossiers == {}
    with bench.watch.database.reading() as conn:
        assert conn.scalar(select(func.count()).select_from(watch_list)) == 0
