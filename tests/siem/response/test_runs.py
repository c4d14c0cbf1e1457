import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from siem.access import Principal, Role
from siem.incidents.model import Forbidden, NotFound, Refused
from siem.incidents.store import watch_list
from siem.response.action import Action, Context, Result
from siem.response.actions import build
from siem.response.model import Run, RunState, StepRun, StepState
from tests.siem.incidents.conftest import ANALYST, DIRECTOR, ELSEWHERE, FINESS, LEAD, STRANGER
from tests.siem.response.conftest import COMPROMISED, Bench, action_step, named, playbook

ONE = {"approbation": "une", "roles": ["analyste", "responsable"]}


def step_of(run: Run, action: str) -> StepRun:
    return next(step for step in run.steps if step.action == action)


def with_playbook(make_bench: Callable[..., Bench], workflow: dict[str, Any], **properties: Any) -> tuple[Bench, str]:
    made = playbook(workflow, **properties)
    return make_bench(playbooks={made.id: made}).attacked(), made.id


def started(make_bench: Callable[..., Bench], workflow: dict[str, Any], **properties: Any) -> tuple[Bench, str]:
    bench, playbook_id = with_playbook(make_bench, workflow, **properties)
    run = bench.runs.start(bench.incident().id, playbook_id, ANALYST)
    bench.advance()
    return bench, run.id


def one_approved_step(approval: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {named("action", 1): action_step("revoke_sessions", approval=approval, on_completion=named("end", 1), **properties)}


def test_the_attack_is_answered_from_evidence_to_dossier_and_only_the_revocation_waits(bench: Bench) -> None:
    run_ids = bench.propose()
    bench.advance()
    automatic = next(run for run in bench.runs.of_incident(ANALYST, bench.incident().id) if run.playbook_id == COMPROMISED.id)
    assert automatic.state is RunState.WAITING
    assert [step.state for step in automatic.steps if step.action] == [
        StepState.COMPLETED,
        StepState.COMPLETED,
        StepState.AWAITING_APPROVAL,
        StepState.PENDING,
        StepState.PENDING,
    ]
    assert automatic.id in run_ids
    assert not bench.peer.revoked
    assert [run.id for run in bench.runs.awaiting(LEAD)] == [automatic.id]
    assert bench.runs.awaiting(DIRECTOR) == ()

    bench.runs.approve(automatic.id, step_of(automatic, "revoke_sessions").step_id, LEAD, "Compte aux mains d’un tiers")
    bench.advance()
    done = bench.runs.get(ANALYST, automatic.id)
    assert done.state is RunState.COMPLETED
    assert bench.peer.revoked == [
        {"national_id": "899700000011", "reason": "Compte aux mains d’un tiers", "reference": bench.incident().number}
    ]
    assert "120 s" in step_of(done, "revoke_sessions").result
    assert done.variables["__sessions_revoquees__"] == "2"
    assert bench.dossiers == {bench.incident().id: done.variables["__dossier__"]}
    assert len(bench.evidence.manifests()) == 1
    assert bench.evidence.manifests()[0].piece_count == 48
    assert bench.evidence.verify() == []
    told = [entry.text for entry in bench.watch.incidents.timeline(ANALYST, bench.incident().id) if entry.kind in ("action", "decision")]
    assert any(text.startswith("Approuvé : Révoquer") for text in told)
    assert any("2 session(s) et 3 autorisation(s) révoquées" in text for text in told)


def test_proposing_again_changes_nothing(bench: Bench) -> None:
    assert bench.propose()
    assert bench.propose() == ()
    assert len(bench.runs.of_incident(ANALYST, bench.incident().id)) == 2


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
        assert len(bench.evidence.manifests()) == 1, at
        assert len(bench.dossiers) == 1, at
        with bench.watch.database.reading() as conn:
            assert conn.scalar(select(func.count()).select_from(watch_list)) == 1, at
        assert [step.result for step in run.steps if step.action == "list_sessions"] == [step_of(expected, "list_sessions").result], at


def test_of_two_approvals_at_once_one_wins(make_bench: Callable[..., Bench]) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE))
    step = step_of(bench.runs.get(ANALYST, run_id), "revoke_sessions")
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def approve(person: Principal) -> None:
        barrier.wait()
        try:
            bench.runs.approve(run_id, step.step_id, person, "oui")
            outcomes.append("won")
        except Refused as error:
            outcomes.append(error.problem)

    threads = [threading.Thread(target=approve, args=(person,)) for person in (ANALYST, LEAD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["Cette étape n’attend plus de décision.", "won"]
    assert len(step_of(bench.runs.get(ANALYST, run_id), "revoke_sessions").decisions) == 1
    bench.advance()
    assert len(bench.peer.revoked) == 1


def test_two_persons_means_two_persons(make_bench: Callable[..., Bench]) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE | {"approbation": "deux-personnes"}))
    step = step_of(bench.runs.get(ANALYST, run_id), "revoke_sessions")
    assert step_of(bench.runs.approve(run_id, step.step_id, ANALYST), "revoke_sessions").state is StepState.AWAITING_APPROVAL
    with pytest.raises(Refused, match="une autre personne"):
        bench.runs.approve(run_id, step.step_id, ANALYST)
    bench.advance()
    assert not bench.peer.revoked
    bench.runs.approve(run_id, step.step_id, LEAD)
    bench.advance()
    assert len(bench.peer.revoked) == 1


def test_an_approval_asks_for_the_role_the_reason_and_another_person(make_bench: Callable[..., Bench]) -> None:
    approval = {"approbation": "une", "roles": ["responsable"], "justification_requise": True, "separation": True}
    bench, run_id = started(make_bench, one_approved_step(approval))
    step_id = step_of(bench.runs.get(ANALYST, run_id), "revoke_sessions").step_id
    with pytest.raises(Forbidden):
        bench.runs.approve(run_id, step_id, ANALYST, "oui")
    with pytest.raises(Forbidden):
        bench.runs.approve(run_id, step_id, DIRECTOR, "oui")
    with pytest.raises(Refused, match="justification"):
        bench.runs.approve(run_id, step_id, LEAD, "  ")
    starter = Principal(ANALYST.subject, ANALYST.name, frozenset({Role.RESPONSABLE}))
    with pytest.raises(Refused, match="démarré"):
        bench.runs.approve(run_id, step_id, starter, "oui")
    assert not bench.runs.approve(run_id, step_id, LEAD, "oui").error


def test_a_refusal_needs_a_reason_and_leads_to_on_failure(make_bench: Callable[..., Bench]) -> None:
    workflow = {
        named("action", 1): action_step("revoke_sessions", approval=ONE, on_success=named("end", 1), on_failure=named("action", 2)),
        named("action", 2): action_step("watch_account", on_completion=named("end", 1)),
    }
    bench, run_id = started(make_bench, workflow)
    with pytest.raises(Refused, match="motif"):
        bench.runs.refuse(run_id, named("action", 1), ANALYST, " ")
    bench.runs.refuse(run_id, named("action", 1), ANALYST, "soignant de garde")
    bench.advance()
    run = bench.runs.get(ANALYST, run_id)
    assert run.state is RunState.COMPLETED
    assert step_of(run, "revoke_sessions").state is StepState.REFUSED
    assert step_of(run, "watch_account").state is StepState.COMPLETED
    assert not bench.peer.revoked
    again = bench.runs.retry(run_id, named("action", 1), ANALYST, "le remplaçant est arrivé")
    assert step_of(again, "revoke_sessions").state is StepState.AWAITING_APPROVAL
    bench.runs.approve(run_id, named("action", 1), ANALYST)
    bench.advance()
    assert len(bench.peer.revoked) == 1
    assert bench.runs.get(ANALYST, run_id).state is RunState.COMPLETED


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


def test_a_measure_is_lifted_with_a_reason_and_only_once(make_bench: Callable[..., Bench]) -> None:
    bench, run_id = started(make_bench, {named("action", 1): action_step("watch_account", on_completion=named("end", 1))})
    assert step_of(bench.runs.get(ANALYST, run_id), "watch_account").undo
    with pytest.raises(Refused, match="motif"):
        bench.runs.undo(run_id, named("action", 1), ANALYST, "")
    bench.runs.undo(run_id, named("action", 1), ANALYST, "compte rétabli")
    with bench.watch.database.reading() as conn:
        assert conn.scalar(select(watch_list.c.ended_at)) is not None
    with pytest.raises(Refused, match="rien à défaire"):
        bench.runs.undo(run_id, named("action", 1), ANALYST, "encore")


def test_a_cancelled_run_does_nothing_more(make_bench: Callable[..., Bench]) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE))
    bench.runs.cancel(run_id, ANALYST, "fausse alerte")
    with pytest.raises(Refused):
        bench.runs.approve(run_id, named("action", 1), ANALYST)
    with pytest.raises(Refused):
        bench.runs.retry(run_id, named("action", 1), ANALYST)
    bench.advance()
    assert not bench.peer.revoked
    assert bench.runs.get(ANALYST, run_id).state is RunState.CANCELLED


@pytest.mark.parametrize("stranger", [STRANGER, ELSEWHERE])
def test_a_run_of_another_establishment_or_tenant_does_not_exist(make_bench: Callable[..., Bench], stranger: Principal) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE))
    incident_id, step_id = bench.incident().id, named("action", 1)
    calls: list[Callable[[], object]] = [
        lambda: bench.runs.get(stranger, run_id),
        lambda: bench.runs.of_incident(stranger, incident_id),
        lambda: bench.runs.start(incident_id, named("playbook", 1), stranger),
        lambda: bench.runs.approve(run_id, step_id, stranger, "oui"),
        lambda: bench.runs.refuse(run_id, step_id, stranger, "non"),
        lambda: bench.runs.retry(run_id, step_id, stranger, "encore"),
        lambda: bench.runs.undo(run_id, step_id, stranger, "lever"),
        lambda: bench.runs.cancel(run_id, stranger, "stop"),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert bench.runs.awaiting(stranger) == ()


def test_a_director_reads_the_run_of_their_establishment_and_decides_nothing(make_bench: Callable[..., Bench]) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE))
    assert bench.runs.get(DIRECTOR, run_id).finess == FINESS
    for call in (
        lambda: bench.runs.approve(run_id, named("action", 1), DIRECTOR, "oui"),
        lambda: bench.runs.cancel(run_id, DIRECTOR, "stop"),
        lambda: bench.runs.start(bench.incident().id, named("playbook", 1), DIRECTOR),
    ):
        with pytest.raises(Forbidden):
            call()


def test_an_edited_playbook_does_not_change_a_run_under_way(make_bench: Callable[..., Bench]) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE))
    edited = playbook({named("action", 1): action_step("preserve_evidence", on_completion=named("end", 1))})
    bench.runs = type(bench.runs)(bench.watch.database, lambda: bench.watch.now, bench.actions, {edited.id: edited}, bench.watch.incidents)
    bench.runs.approve(run_id, named("action", 1), ANALYST)
    bench.advance()
    assert len(bench.peer.revoked) == 1
