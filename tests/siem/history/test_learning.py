"""A rule about habits that is new learns from what is stored, and goes on live as if it had always been there; a kill changes nothing."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from siem.detection.engine import Engine
from siem.detection.load import Ruleset
from siem.enrichment.pseudonyms import Pseudonyms
from siem.event import RawRecord
from siem.history import store
from siem.history.learning import Learning, Lesson, keep
from siem.history.looking_back import Budget, LookingBack, Parts
from siem.history.store import State
from siem.incidents.service import Incidents
from siem.incidents.store import alerts
from siem.pipeline import Pipeline
from siem.store import progress
from siem.store.events import Scope
from tests.siem.detection.test_habits import IDS, reads, ruleset
from tests.siem.history.night import BEGIN, PLAYED_AT, TYPES, Night, lines

LATENESS = timedelta(minutes=10)
#: The rules come in the middle of the night, and what they learned a while later.
COME_AT = BEGIN + timedelta(hours=5)
LEARNED_AT = BEGIN + timedelta(hours=5, minutes=40)
ROWS = list(lines())
#: Habits of which the night has enough to say something; professions are not known in it.
TOLD = ("first_seen of nobody's", "own_median")
QUIET = Ruleset()
SCOPE = Scope()
PLENTY = Budget(timedelta(days=30), 600, 600, 10_000)


class Watch:
    """A night that is played in parts, and a history that looks back between them."""

    def __init__(self, folder: Path, rules: Ruleset) -> None:
        folder.mkdir(exist_ok=True)
        self.night = Night.begin(folder, rules)
        self.night.pseudonyms = Pseudonyms(b"the same in every watch of these")
        self.numbers = dict.fromkeys(TYPES, 0)
        self.now = COME_AT
        self.start()

    def start(self) -> None:
        """As a process starts: nothing in memory."""
        self.learning = Learning(self.night.events, self.night.database, lambda: PLAYED_AT, LATENESS)
        parts = replace(self.night.pipeline()._parts, adopt=self.learning.adopt, adopted=self.learning.commit)
        self.pipeline = Pipeline(parts, clock=lambda: PLAYED_AT, batch_count=173)

    def play(self, first: datetime | None, last: datetime | None) -> None:
        records = []
        for name, at, line in ROWS:
            if (first is None or at >= first) and (last is None or at < last):
                self.numbers[name] += 1
                records.append(RawRecord(str(self.night.files[name]), str(self.numbers[name]), PLAYED_AT, line))
        self.night.queue.put(records)
        while self.pipeline.step():
            pass

    def looking(self, budget: Budget = PLENTY) -> LookingBack:
        night = self.night
        parts = Parts(
            events=night.events,
            database=night.database,
            incidents=Incidents(night.database, lambda: self.now, night.ruleset.rules),
            rules=lambda: night.ruleset,
            clock=lambda: self.now,
            lateness=LATENESS,
            learned=self.learning.come,
        )
        return LookingBack(parts, budget)

    def learn(self) -> None:
        """The look back that is due once no late event is waited for any more."""
        looking = self.looking()
        assert not looking.step(), "what a late event may change is waited for"
        self.now += LATENESS
        while looking.step():
            pass

    def kept(self) -> dict[str, bytes]:
        with self.night.database.reading() as connection:
            return progress.read_states(connection, "learned/")

    def found(self, since: datetime) -> dict[str, Counter[str]]:
        """By habit and group, how many events from an instant on stand in its alerts."""
        stored = {event.id: event.at for event in self.night.events.get({e for _, _, ids in self.night.alerts() for e in ids}, SCOPE)}
        told: dict[str, Counter[str]] = {}
        for name in IDS:
            told[name] = Counter()
            for _, group, ids in self.night.alerts(IDS[name]):
                told[name][json.dumps(group)] += sum(stored[event_id] >= since for event_id in ids)
        return {name: +counts for name, counts in told.items() if +counts}


def begun(folder: Path) -> Watch:
    """Half a night without rules; then they come, and the night goes on while nothing is learned yet."""
    watch = Watch(folder, QUIET)
    watch.looking().take_note()
    with watch.night.database.transaction() as connection:
        store.write_in_force(connection, {"another": "rule"}, (), watch.now)
    watch.play(None, COME_AT)
    watch.night.ruleset = ruleset()
    watch.start()
    assert watch.looking().take_note() == len(IDS)
    watch.play(COME_AT, LEARNED_AT)
    return watch


@pytest.fixture(scope="module")
def always(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """The same night under the rules from its begin."""
    made = Watch(tmp_path_factory.mktemp("always"), ruleset())
    made.play(None, None)
    yield made
    made.night.close()


def test_what_is_found_is_what_would_have_been_found_had_the_rule_been_there_from_the_begin(tmp_path: Path, always: Watch) -> None:
    watch = begun(tmp_path)
    watch.learn()
    with watch.night.database.reading() as connection:
        assert {run.state for run in store.recent_runs(connection)} == {State.COMPLETE}
    assert watch.kept() != {}
    watch.play(LEARNED_AT, None)
    assert watch.kept() == {}, "what was adopted is let go of with the batch"
    assert watch.found(BEGIN) == always.found(BEGIN)
    assert watch.found(COME_AT).keys() >= set(TOLD), "the night is too quiet to prove anything"
    with watch.night.database.reading() as connection:
        live = connection.scalars(select(alerts.c.rule_id).where(~alerts.c.found_in_history)).all()
    assert IDS["own_median"] in live
    watch.night.close()


def test_without_it_the_rest_of_the_night_looks_new(tmp_path: Path, always: Watch) -> None:
    """That the test above could fail: a rule that has not learned says other things."""
    watch = begun(tmp_path)
    watch.play(LEARNED_AT, None)
    assert watch.found(LEARNED_AT) != always.found(LEARNED_AT)
    watch.night.close()


class Killed(BaseException):
    """The process ends here."""


def test_killed_as_it_is_adopted_it_is_adopted_again_and_nothing_is_lost(
    tmp_path: Path, always: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = begun(tmp_path)
    watch.learn()
    kept = watch.kept()

    def killing(_connection: Connection, _position: int) -> None:
        raise Killed

    monkeypatch.setattr(progress, "write_position", killing)
    with pytest.raises(Killed):
        watch.play(LEARNED_AT, None)
    monkeypatch.undo()
    assert watch.kept() == kept
    watch.start()
    while watch.pipeline.step():
        pass
    assert watch.kept() == {} and watch.found(BEGIN) == always.found(BEGIN)
    watch.night.close()


def test_killed_while_it_learns_it_learns_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = begun(tmp_path)

    def killing(_connection: Connection, _run_id: int, _lesson: Lesson) -> None:
        raise Killed

    monkeypatch.setattr("siem.history.looking_back.keep", killing)
    with pytest.raises(Killed):
        watch.learn()
    monkeypatch.undo()
    with watch.night.database.reading() as connection:
        assert State.WAITING in {run.state for run in store.recent_runs(connection)} and watch.kept() == {}
    looking = watch.looking()
    assert looking.take_note() == 0
    while looking.step():
        pass
    with watch.night.database.reading() as connection:
        assert {run.state for run in store.recent_runs(connection)} == {State.COMPLETE}
    lessons = {json.loads(data)[0] for name, data in watch.kept().items() if name.endswith("/about")}
    assert lessons >= {IDS[name] for name in TOLD}
    watch.night.close()


def _engine() -> Engine:
    return Engine(ruleset(), lateness=LATENESS)


def _kept(watch: Watch, *lessons: Lesson) -> None:
    with watch.night.database.transaction() as connection:
        for number, lesson in enumerate(lessons, 1):
            keep(connection, number, lesson)


def _adopted(watch: Watch, engine: Engine) -> Sequence[object]:
    """What an engine finds as it adopts what is kept."""
    learning = Learning(watch.night.events, watch.night.database, lambda: PLAYED_AT, LATENESS)
    found = learning.adopt(engine)
    with watch.night.database.transaction() as connection:
        learning.commit(connection)
    assert watch.kept() == {} and learning.adopt(engine) == []
    return found


def test_what_a_rule_learned_that_is_gone_or_says_something_else_now_is_let_go_of(tmp_path: Path) -> None:
    watch = Watch(tmp_path, ruleset())
    other = replace(ruleset(), baselines=tuple(replace(one, baseline=replace(one.baseline, floor=99.0)) for one in ruleset().baselines))
    state = _some_state(Engine(other))
    _kept(watch, Lesson("gone", "default", COME_AT, {}), Lesson(IDS["own_median"], "default", COME_AT, state))
    engine = _engine()
    assert _adopted(watch, engine) == [] and engine.match_count == 0
    watch.night.close()


def _some_state(engine: Engine) -> dict[str, bytes]:
    engine.evaluate(reads(3))
    return {key: data for key, data in engine.learned.items() if IDS["own_median"] in key}


def test_the_state_of_other_rules_and_other_tenants_is_left_alone(tmp_path: Path) -> None:
    watch = Watch(tmp_path, ruleset())
    engine = _engine()
    south = [one._replace(tenant="south") for one in reads(5)]
    engine.evaluate([*reads(2), *south])
    before = engine.learned
    _kept(watch, Lesson(IDS["own_median"], "default", COME_AT, _some_state(_engine())))
    _adopted(watch, engine)
    after = engine.learned
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed and all(IDS["own_median"] in key and '"south"' not in key for key in changed)
    watch.night.close()
