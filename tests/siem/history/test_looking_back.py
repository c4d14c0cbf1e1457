"""New and changed rules look back, once, within their budget, and what they find is what the live watch would have found."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from siem.access import Principal, Role
from siem.detection.indicators import Indicator, Kind
from siem.detection.load import Ruleset, load_rules
from siem.detection.naming import find_rule
from siem.errors import OperationError
from siem.event import Event
from siem.history import store
from siem.history.looking_back import Budget, LookingBack, Parts
from siem.history.store import Reason, Run, State
from siem.incidents.service import Incidents
from siem.incidents.store import alerts
from siem.indicators.book import About
from siem.indicators.sets import Sets, remove
from siem.indicators.sets import store as store_set
from siem.settings import ROOT
from siem.store.events import StoredEvent
from tests.siem.history.night import PLAYED_AT, Night

RULES = load_rules(ROOT / "rules")
NAMES = ("fhir_record_sweep", "fhir_bulk_export", "idp_approval_fatigue", "nginx_sql_injection")
LATE = {find_rule(RULES, name).id for name in NAMES}
SWEEP = find_rule(RULES, "fhir_record_sweep").id
EXPORT = find_rule(RULES, "fhir_bulk_export").id
#: The watch of before: without the rules that come later.
FEW = RULES.only(RULES.alerting - LATE)
PLENTY = Budget(timedelta(days=30), 600, 600, 1000)
LATENESS = timedelta(minutes=5)
ANALYST = Principal("8997", "Analyste", frozenset({Role.ANALYSTE}))


class Watch:
    """A night played under few rules, then a watch that has all of them; ``now`` may be moved."""

    def __init__(self, folder: Path) -> None:
        self.night = Night.begin(folder, FEW)
        self.night.play()
        self.now: datetime = PLAYED_AT
        self.proposed: list[str] = []
        self.looking(FEW).take_note()

    @property
    def sets(self) -> Path:
        return self.night.folder / "indicators"

    def load(self, name: str, *indicators: Indicator) -> None:
        """Load a set of indicators, in the place of the one before."""
        store_set(self.sets, About(name, self.now, 0, (), (), ()), indicators)

    def looking(self, ruleset: Ruleset = RULES, budget: Budget = PLENTY, *, busy: bool = False) -> LookingBack:
        parts = Parts(
            events=self.night.events,
            database=self.night.database,
            incidents=Incidents(self.night.database, lambda: self.now, ruleset.rules),
            rules=lambda: ruleset,
            clock=lambda: self.now,
            lateness=LATENESS,
            busy=lambda: busy,
            propose=lambda _connection, incident: self.proposed.append(incident.id),
            sets=Sets(self.sets),
        )
        return LookingBack(parts, budget)

    def runs(self) -> list[Run]:
        with self.night.database.reading() as connection:
            return store.recent_runs(connection)

    def work(self, looking: LookingBack) -> None:
        while looking.step():
            pass


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    yield made
    made.night.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """The same night under all rules from the begin."""
    made = Night.begin(tmp_path_factory.mktemp("whole"), RULES)
    made.play()
    yield made
    made.close()


def counts(night: Night, *rule_ids: str) -> set[tuple[str, int]]:
    """Findings without the pseudonyms, which differ from night to night."""
    return {(rule_id, len(ids)) for rule_id, _, ids in night.alerts(*rule_ids)}


def test_new_rules_find_what_they_would_have_found_live(watch: Watch, whole: Night) -> None:
    looking = watch.looking()
    assert watch.night.alerts(*LATE) == set()
    assert looking.take_note() == len(LATE)
    watch.work(looking)
    # Identifiers of people are pseudonyms of another key, the events are the same.
    assert {(rule, ids) for rule, _, ids in watch.night.alerts()} != set()
    assert counts(watch.night) == counts(whole)
    assert {rule_id for rule_id, _ in counts(watch.night, *LATE)} == LATE
    assert watch.proposed, "an incident found in history is offered its playbooks"


def test_what_was_found_in_history_is_marked_and_what_was_live_is_not(watch: Watch) -> None:
    live = {rule_id for rule_id, _, _ in watch.night.alerts()}
    looking = watch.looking()
    looking.take_note()
    watch.work(looking)
    with watch.night.database.reading() as connection:
        marked = {row.rule_id: row.found_in_history for row in connection.execute(select(alerts).where(alerts.c.merged_into.is_(None)))}
        found = connection.execute(select(alerts.c.id).where(alerts.c.rule_id == EXPORT)).scalar_one()
    assert {rule_id for rule_id, is_marked in marked.items() if is_marked} == LATE
    assert live <= {rule_id for rule_id, is_marked in marked.items() if not is_marked}
    incidents = Incidents(watch.night.database, lambda: watch.now, RULES.rules)
    assert incidents.alert(ANALYST, found).found_in_history
    assert "found_in_history" in {change.field for change in incidents.history(ANALYST, "alert", found)}


def test_looking_back_at_what_was_seen_live_changes_nothing(watch: Watch, whole: Night) -> None:
    with whole.database.transaction() as connection:
        connection.execute(update(alerts).values(found_in_history=False))
    watch.night.close()
    watch.night = whole
    watch.looking(FEW).take_note()
    before = whole.alerts()
    looking = watch.looking()
    assert looking.take_note() == len(LATE)
    watch.work(looking)
    assert whole.alerts() == before
    assert [run.alert_count for run in watch.runs()] == [0] * len(LATE)
    assert sum(run.detection_count for run in watch.runs()) >= len(LATE)


def test_a_rule_looks_back_once_and_again_when_it_says_something_else(watch: Watch) -> None:
    looking = watch.looking()
    looking.take_note()
    watch.work(looking)
    assert watch.looking().take_note() == 0
    text = (ROOT / "rules" / "access" / "fhir_bulk_export.yml").read_text("utf-8")
    from siem.detection.documents import parse_documents

    same, _ = parse_documents(text.replace("level: high", "level: low"), "x.yml")
    assert watch.looking(load_rules(ROOT / "rules", instead=same)).take_note() == 0
    other, _ = parse_documents(text.replace("gte: 500", "gte: 100"), "x.yml")
    changed = watch.looking(load_rules(ROOT / "rules", instead=other))
    assert changed.take_note() == 1
    newest = watch.runs()[0]
    assert (newest.rule_id, newest.reason, newest.state) == (EXPORT, Reason.CHANGED, State.WAITING)
    # It changes back before its turn has come.
    assert watch.looking().take_note() == 1
    assert [run.state for run in watch.runs()[:2]] == [State.WAITING, State.OBSOLETE]


def test_a_correlation_looks_again_when_the_windows_open_at_its_begin_have_closed(watch: Watch) -> None:
    """Half of a sweep before the rule came into force, half after: neither the live engine nor a single look sees it."""
    person = {"event.dataset": "fhir.audit_event", "event.action": "record.read", "user.id": "P-LATE"}

    def read(begin: datetime, first: int) -> None:
        made = [
            Event(
                f"late{number:04d}", begin + timedelta(seconds=number), "x", "default", {**person, "health.patient.pseudonym": f"X{number}"}
            )
            for number in range(first, first + 25)
        ]
        watch.night.events.append([StoredEvent(9, event) for event in made])

    watch.now = PLAYED_AT + timedelta(hours=1)
    read(watch.now - timedelta(minutes=20), 0)
    looking = watch.looking()
    looking.take_note()
    watch.work(looking)
    sweep = next(run for run in watch.runs() if run.rule_id == SWEEP)
    assert sweep.state is State.WAITING and sweep.due_at == watch.now + timedelta(hours=1) + LATENESS
    assert sweep.reached_at == watch.now - LATENESS
    assert not any(group == (("user.id", "P-LATE"),) for _, group, _ in watch.night.alerts(SWEEP))
    read(watch.now + timedelta(minutes=10), 25)
    assert not looking.step()
    watch.now += timedelta(hours=1) + LATENESS
    watch.work(looking)
    assert [len(ids) for _, group, ids in watch.night.alerts(SWEEP) if group == (("user.id", "P-LATE"),)] == [50]
    assert {run.state for run in watch.runs() if run.rule_id == SWEEP} == {State.COMPLETE}


@pytest.mark.parametrize(
    ("budget", "problem"),
    [
        (replace(PLENTY, rule_cpu_seconds=0.0), "the processor time for one rule is spent"),
        (replace(PLENTY, total_cpu_seconds=0.0), "the processor time for all rules of this start is spent"),
        (replace(PLENTY, alert_count=0), "the rule has raised as many alerts as one may"),
    ],
)
def test_a_budget_that_is_spent_stops_a_run_and_says_so(watch: Watch, budget: Budget, problem: str) -> None:
    looking = watch.looking(budget=budget)
    looking.take_note()
    watch.work(looking)
    assert {(run.state, run.problem) for run in watch.runs()} == {(State.STOPPED, problem)}
    assert watch.night.alerts(*LATE) == set()


def test_without_a_look_back_rules_are_remembered_all_the_same(watch: Watch) -> None:
    assert watch.looking(budget=replace(PLENTY, look_back=timedelta(0))).take_note() == 0
    assert watch.looking().take_note() == 0
    assert watch.runs() == []


def test_the_first_start_of_all_only_takes_note(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    try:
        with watch.night.database.transaction() as connection:
            connection.execute(store.in_force.delete())
        assert watch.looking().take_note() == 0
        assert watch.looking(RULES).take_note() == 0
    finally:
        watch.night.close()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("kill_at", [1, 2, 3, 5])
def test_a_kill_repeats_a_step_and_loses_nothing(watch: Watch, whole: Night, monkeypatch: pytest.MonkeyPatch, kill_at: int) -> None:
    looking = watch.looking()
    looking.take_note()
    passed = 0
    save = store.save_run

    def killing(connection: object, run: Run) -> None:
        nonlocal passed
        save(connection, run)  # type: ignore[arg-type]
        passed += 1
        if passed == kill_at:
            raise Killed

    monkeypatch.setattr(store, "save_run", killing)
    with pytest.raises(Killed):
        watch.work(looking)
    monkeypatch.undo()
    again = watch.looking()
    assert again.take_note() == 0
    watch.work(again)
    assert counts(watch.night) == counts(whole)


def test_it_steps_back_while_records_wait_and_ends_when_told(watch: Watch) -> None:
    looking = watch.looking(busy=True)
    stop = threading.Event()
    thread = threading.Thread(target=looking.run, args=(stop,))
    thread.start()
    thread.join(1.0)
    assert thread.is_alive()
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert State.COMPLETE not in {run.state for run in watch.runs()}


def test_a_failing_store_is_waited_for(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    looking = watch.looking()
    looking.take_note()

    def full(*_: object) -> None:
        raise OperationError("committing", "the disk", retry_helps=True)

    monkeypatch.setattr(store, "save_run", full)
    with pytest.raises(OperationError):
        looking.step()
    monkeypatch.undo()
    assert {run.state for run in watch.runs()} == {State.WAITING}


SCANNER = Indicator(Kind.ADDRESS, "203.0.113.77/32", source="CERT", confidence=90)
REFUSER = Indicator(Kind.ADDRESS, "203.0.113.8/31", source="CERT", confidence=90)
NOBODY = Indicator(Kind.DOMAIN, "nobody.example", source="CERT", confidence=90)
HIGH = find_rule(RULES, "indicator_confidence_high").id


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """A night under rules about indicators, with two sets from the begin."""
    made = Night.begin(tmp_path_factory.mktemp("listed"), RULES)
    store_set(made.folder / "indicators", About("cert", PLAYED_AT, 0, (), (), ()), [SCANNER, REFUSER])
    made.play()
    yield made
    made.close()


def events_of(night: Night, rule_id: str = HIGH) -> dict[str, int]:
    """What was found of each listed value: how many events."""
    return {group[0][1]: len(ids) for _, group, ids in night.alerts(rule_id)}


def test_what_comes_to_a_set_is_looked_for_as_it_would_have_been_live_and_nothing_else(watch: Watch, listed: Night) -> None:
    watch.load("cert", SCANNER)
    looking = watch.looking(FEW)
    assert looking.take_note() == 1, "only the rule that takes what came"
    watch.work(looking)
    (run,) = [run for run in watch.runs() if run.set_name]
    assert (run.rule_id, run.reason, run.state, run.set_after, run.set_up_to) == (HIGH, Reason.SET, State.COMPLETE, 0, 1)
    assert events_of(watch.night) == {"203.0.113.77": 82}
    watch.load("cert", SCANNER, REFUSER, NOBODY)
    assert looking.take_note() == 1
    watch.work(looking)
    second = watch.runs()[0]
    assert (second.set_after, second.set_up_to, second.alert_count) == (1, 2, 1)
    assert second.detection_count == second.candidate_count == 15, "the scanner is not looked for again, and other events are not read"
    assert events_of(watch.night) == events_of(listed) == {"203.0.113.77": 82, "203.0.113.9": 15}
    with watch.night.database.reading() as connection:
        marked = {row.found_in_history for row in connection.execute(select(alerts).where(alerts.c.rule_id == HIGH))}
    assert marked == {True}
    assert looking.take_note() == 0


def test_a_set_that_is_loaded_again_unchanged_or_that_is_noted_at_the_first_start_is_not_looked_for(watch: Watch, tmp_path: Path) -> None:
    watch.load("cert", NOBODY)
    watch.looking(FEW).take_note()
    watch.load("cert", NOBODY)
    assert watch.looking(FEW).take_note() == 0
    with watch.night.database.transaction() as connection:
        connection.execute(store.in_force.delete())
    watch.load("cert", NOBODY, SCANNER)
    assert watch.looking(FEW).take_note() == 0, "the first start of all only takes note"


def test_a_set_that_goes_takes_its_runs_with_it_and_one_that_comes_back_is_another(watch: Watch) -> None:
    watch.load("cert", SCANNER)
    assert watch.looking(FEW).take_note() == 1
    remove(watch.sets, "cert")
    assert watch.looking(FEW).take_note() == 0
    assert watch.runs()[0].state is State.OBSOLETE
    watch.load("cert", SCANNER)
    assert watch.looking(FEW).take_note() == 1
    watch.load("cert", SCANNER, REFUSER)
    assert watch.looking(FEW).take_note() == 1, "what waits goes on, what came since has a run of its own"
    watch.work(watch.looking(FEW))
    assert [(run.set_after, run.set_up_to, run.detection_count) for run in watch.runs()[:2]] == [(1, 2, 15), (0, 1, 82)]


def test_a_kill_while_a_set_is_looked_for_loses_nothing(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.load("cert", SCANNER, REFUSER)

    def killing(_connection: object, _run: Run) -> None:
        raise Killed

    looking = watch.looking(FEW)
    looking.take_note()
    monkeypatch.setattr(store, "save_run", killing)
    with pytest.raises(Killed):
        watch.work(looking)
    monkeypatch.undo()
    again = watch.looking(FEW)
    assert again.take_note() == 0
    watch.work(again)
    assert events_of(watch.night) == {"203.0.113.77": 82, "203.0.113.9": 15}


def test_a_running_watch_follows_the_folder_of_sets(watch: Watch) -> None:
    looking, stop = watch.looking(FEW), threading.Event()
    watch.load("cert", SCANNER)
    thread = threading.Thread(target=looking.run, args=(stop,))
    thread.start()
    while not any(run.set_name and run.state is State.COMPLETE for run in watch.runs()):
        assert thread.is_alive()
        stop.wait(0.05)
    stop.set()
    thread.join(30)
    assert events_of(watch.night) == {"203.0.113.77": 82}
