"""Each playbook we ship loads, is marked, has an approval where it changes something, and runs dry on every branch."""

from collections.abc import Callable
from pathlib import Path

import pytest

from siem.response.actions import ACTIONS, build
from siem.response.load import load_playbooks
from siem.response.model import ActionClass, RunState, StepState
from siem.response.playbook import Playbook
from tests.siem.incidents.conftest import ANALYST, LEAD
from tests.siem.response.conftest import ROOT, SCHEMA, Bench

FILES = sorted((ROOT / "playbooks" / "response").glob("*.json"))
LIBRARY = load_playbooks(ROOT / "playbooks" / "response", SCHEMA, ACTIONS)
BY_FILE = {Path(each.path).stem: each for each in LIBRARY.playbooks.values()}
KINDS = {kind.name: kind for kind in ACTIONS}


def test_every_file_loads() -> None:
    assert LIBRARY.errors == ()
    assert {path.stem for path in FILES} == set(BY_FILE)


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_a_playbook_is_marked_for_healthcare_and_keeps_the_evidence_first(name: str) -> None:
    playbook = BY_FILE[name]
    assert playbook.tlp == "TLP:AMBER+STRICT"
    assert playbook.source["industry_sectors"] == ["healthcare"]
    assert playbook.trigger is not None
    actions = [step for step in playbook.ordered() if step.action]
    assert actions[0].action == "preserve_evidence"
    for step in actions:
        if KINDS[step.action or ""].action_class is not ActionClass.READ:
            assert step.approval
            assert step.approval.people


@pytest.mark.parametrize("name", [path.stem for path in FILES])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_playbook_runs_to_its_end(make_bench: Callable[..., Bench], name: str, dry_run: bool) -> None:
    playbook: Playbook = BY_FILE[name]
    bench = make_bench().attacked()
    bench.actions = build(bench.services())
    bench.runs = bench.make_runs()
    run = bench.runs.start(bench.incident().id, playbook.id, ANALYST, dry_run=dry_run)
    bench.advance()
    for step in bench.runs.get(ANALYST, run.id).steps:
        if step.state is StepState.AWAITING_APPROVAL:
            bench.runs.approve(run.id, step.step_id, LEAD, "confirmé")
    bench.advance()
    done = bench.runs.get(ANALYST, run.id)
    assert done.state is RunState.COMPLETED
    assert all(step.result for step in done.steps if step.state is StepState.COMPLETED and step.action)
    assert bool(bench.peer.revoked) is (not dry_run and any(step.action == "revoke_sessions" for step in done.steps))
