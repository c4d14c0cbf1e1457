from collections.abc import Callable

from tests.siem.incidents.conftest import ANALYST
from tests.siem.response.conftest import ONE, Bench, action_step, named, one_approved_step, playbook, started


def test_an_edited_playbook_does_not_change_a_run_under_way(make_bench: Callable[..., Bench]) -> None:
    bench, run_id = started(make_bench, one_approved_step(ONE))
    edited = playbook({named("action", 1): action_step("preserve_evidence", on_completion=named("end", 1))})
    bench.runs = type(bench.runs)(bench.watch.database, lambda: bench.watch.now, bench.actions, {edited.id: edited}, bench.watch.incidents)
    bench.runs.approve(run_id, named("action", 1), ANALYST)
    bench.advance()
    assert len(bench.peer.revoked) == 1
