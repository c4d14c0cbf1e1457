import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from siem.access import Principal, Role
from siem.incidents.model import Forbidden, NotFound, Refused
from siem.incidents.store import watch_list
from siem.response.model import RunState, StepState
from tests.siem.incidents.conftest import ANALYST, DIRECTOR, ELSEWHERE, FINESS, LEAD, STRANGER
from tests.siem.response.conftest import (
    COMPROMISED,
    ONE,
    Bench,
    action_step,
    named,
    one_approved_step,
    started,
    step_of,
)


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
    assert [manifest.piece_count for manifest in bench.evidence.manifests()] == [48, 48], "sealed before and after the revocation"
    assert bench.evidence.verify() == []
    told = [entry.text for entry in bench.watch.incidents.timeline(ANALYST, bench.incident().id) if entry.kind in ("action", "decision")]
    assert any(text.startswith("Approuvé : Révoquer") for text in told)
    assert any("2 sessions et 3 autorisations : révocation faite" in text for text in told)


def test_proposing_again_changes_nothing(bench: Bench) -> None:
    assert bench.propose()
    assert bench.propose() == ()
    assert len(bench.runs.of_incident(ANALYST, bench.incident().id)) == 2


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
