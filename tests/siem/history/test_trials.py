import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from siem.detection.load import load_rules
from siem.detection.naming import find_rule
from siem.history.trials import Parts, State, TooMany, Trials
from siem.settings import ROOT
from tests.siem.history.night import PLAYED_AT, Night

RULES = load_rules(ROOT / "rules")
SWEEP = find_rule(RULES, "fhir_record_sweep").id
MONTH = timedelta(days=30)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    made = Night.played(tmp_path_factory.mktemp("night"))
    yield made
    made.close()


def trials(night: Night, *, budget: float = 60, rules=RULES) -> Trials:  # type: ignore[no-untyped-def]
    return Trials(Parts(events=night.events, rules=lambda: rules, clock=lambda: PLAYED_AT), budget_seconds=budget)


def test_a_backtest_is_asked_for_left_and_found_again_with_its_figures(night: Night) -> None:
    line = trials(night)
    assert line.of("default", SWEEP) is None and not line.step()
    asked = line.ask("default", SWEEP, MONTH, "8997")
    assert line.ask("default", SWEEP, MONTH, "8998") is asked, "one that waits is not asked for twice"
    assert line.step() and not line.step()
    found = line.of("default", SWEEP)
    assert found is not None and found.state is State.COMPLETE and found.result is not None
    assert found.result.alert_count == len(night.alerts(SWEEP)) and found.looked_count == found.total_count == 1782
    assert (found.result.rule_author, found.result.rule_licence) == ("Veilleur", "Apache-2.0") and found.asked_by == "8997"
    assert line.of("another", SWEEP) is None


def test_a_budget_that_is_spent_ends_it_with_the_figures_so_far(night: Night) -> None:
    line = trials(night, budget=0)
    line.ask("default", SWEEP, MONTH, "8997")
    line.step()
    found = line.of("default", SWEEP)
    assert found is not None and found.state is State.SPENT and found.result is not None and not found.result.complete


def test_it_is_stopped_before_it_begins_and_asked_for_again(night: Night) -> None:
    line = trials(night)
    line.ask("default", SWEEP, MONTH, "8997")
    line.stop("default", SWEEP)
    assert not line.step()
    again = line.ask("default", SWEEP, MONTH, "8997")
    assert again.state is State.WAITING and line.step()
    line.stop("default", SWEEP)
    found = line.of("default", SWEEP)
    assert found is not None and found.state is State.COMPLETE, "what is over cannot be stopped"


def test_the_end_of_the_watch_ends_it(night: Night) -> None:
    line, stop = trials(night), threading.Event()
    stop.set()
    line.ask("default", SWEEP, MONTH, "8997")
    line.step(stop)
    found = line.of("default", SWEEP)
    assert found is not None and found.state is State.STOPPED


def test_a_rule_that_is_gone_and_a_defect_are_said_and_stop_nobody_else(night: Night) -> None:
    line = trials(night)
    line.ask("default", "gone", MONTH, "8997")
    line.ask("default", SWEEP, MONTH, "8997")
    assert line.step() and line.step()
    gone, found = line.of("default", "gone"), line.of("default", SWEEP)
    assert gone is not None and gone.state is State.FAILED and "no longer in force" in gone.problem
    assert found is not None and found.state is State.COMPLETE

    class Broken:
        @property
        def rules(self) -> object:
            raise RuntimeError("of the inside")

    line = trials(night, rules=Broken())
    line.ask("default", SWEEP, MONTH, "8997")
    assert line.step()
    broken = line.of("default", SWEEP)
    assert broken is not None and broken.state is State.FAILED and "defect of the watch" in broken.problem


def test_only_so_many_wait(night: Night) -> None:
    line = trials(night)
    for number in range(20):
        line.ask("default", f"rule-{number}", MONTH, "8997")
    with pytest.raises(TooMany):
        line.ask("default", SWEEP, MONTH, "8997")


def test_a_thread_takes_what_is_asked_and_ends_when_told(night: Night) -> None:
    line, stop = trials(night), threading.Event()
    thread = threading.Thread(target=line.run, args=(stop,))
    thread.start()
    line.ask("default", SWEEP, MONTH, "8997")
    for _ in range(600):
        found = line.of("default", SWEEP)
        if found is not None and found.is_over:
            break
        stop.wait(0.1)
    stop.set()
    thread.join(10)
    assert not thread.is_alive() and found is not None and found.state is State.COMPLETE
