"""Closed alerts go after their time; what an incident holds, what is open, and what somebody still knows of, stays."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from siem.event import Event
from siem.incidents.filters import AlertFilter
from siem.incidents.model import NotFound, Verdict
from siem.incidents.store import alert_entities, alert_events, alerts, changes, entity_risks, removed_alerts
from siem.retention import alerts as retention
from siem.retention.keeper import Keeper, Parts
from siem.retention.store import Purpose, recent_sweeps, write_clock
from siem.store.events import EventStore
from siem.store.queue import Queue
from tests.siem.incidents.conftest import ANALYST, NOW, Watch, detect, make_event

DAY = timedelta(days=1)
KEPT = 100 * DAY


class Place:
    """A watch with alerts of many ages, each closed the day after it was raised."""

    def __init__(self, folder: Path, batch_count: int = 200) -> None:
        self.watch = Watch(folder)
        self.events = EventStore(None)
        self.queue = Queue(folder / "queue.sqlite", synchronous="normal")
        parts = Parts(
            database=self.watch.database,
            events=self.events,
            queue=self.queue,
            clock=lambda: NOW,
            processed_up_to=lambda: 0,
            busy=lambda: False,
        )
        self.keeper = Keeper(parts, {Purpose.ALERTS: KEPT}, batch_count=batch_count)

    def alert(self, age: int, user: str = "P-AAAAAAAAAA", rule: str = "glass", *, closed: bool = True) -> str:
        at = NOW - age * DAY
        one = make_event(f"{user}-{age}-{rule}", 0, user)
        event = Event(one.id, at, one.source, one.tenant, one.fields)
        self.watch.now = at
        (alert_id,) = self.watch.feed(detect(rule, event), events=(event,)).new_alerts
        if closed:
            self.watch.now = at + DAY
            self.watch.incidents.close([alert_id], Verdict.FALSE_POSITIVE, "rien", ANALYST)
        return str(alert_id)

    def left(self) -> set[str]:
        with self.watch.database.reading() as connection:
            return set(connection.scalars(select(alerts.c.id)))

    def close(self) -> None:
        self.events.close()
        self.queue.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


def test_closed_alerts_go_after_their_time_with_what_hangs_on_them_and_the_sweep_is_kept(place: Place) -> None:
    old = [place.alert(age) for age in (300, 200, 102)]
    kept = [place.alert(age) for age in (101, 50)]
    still = place.alert(400, "P-BBBBBBBBBB", closed=False)
    assert place.keeper.sweep() == {Purpose.ALERTS: 3}
    assert place.left() == {*kept, still}, "one that was closed a hundred days ago to the hour stays, and one that nobody has closed"
    with place.watch.database.reading() as connection:
        for table in (alert_events, alert_entities):
            assert {row.alert_id for row in connection.execute(select(table))} == {*kept, still}
        assert not set(connection.scalars(select(changes.c.object_id).where(changes.c.object_type == "alert"))) & set(old)
        (sweep,) = recent_sweeps(connection, 10)
        assert (sweep.purpose, sweep.removed_count, sweep.before_at) == (Purpose.ALERTS, 3, NOW - KEPT)
    with pytest.raises(NotFound):
        place.watch.incidents.alert(ANALYST, old[0])
    assert place.watch.incidents.alerts(ANALYST, AlertFilter()).total == 3


def test_an_alert_of_an_incident_stays_whatever_its_age_and_is_counted_as_held(place: Place) -> None:
    mine, free = place.alert(300), place.alert(299, "P-BBBBBBBBBB")
    place.watch.now = NOW - 298 * DAY
    other = place.alert(298, "P-CCCCCCCCCC", closed=False)
    incident = place.watch.incidents.escalate([other], ANALYST)
    with place.watch.database.transaction() as connection:
        connection.execute(update(alerts).where(alerts.c.id == mine).values(incident_id=incident.id))
    assert place.keeper.sweep() == {Purpose.ALERTS: 1}
    assert place.left() == {mine, other} and free not in place.left()
    with place.watch.database.reading() as connection:
        assert recent_sweeps(connection, 1)[0].held_count == 1


def test_one_that_joined_an_incident_between_the_look_and_the_removal_stays(place: Place) -> None:
    mine, free = place.alert(300), place.alert(299, "P-BBBBBBBBBB")
    with place.watch.database.transaction() as connection:
        ids = retention.due(connection, NOW - KEPT, 10)
        connection.execute(update(alerts).where(alerts.c.id == mine).values(incident_id="i1"))
        assert retention.remove(connection, ids, NOW - KEPT) == 1
    assert set(ids) == {mine, free} and place.left() == {mine}


def test_what_was_merged_into_an_alert_goes_with_it(place: Place) -> None:
    keeper = place.alert(300)
    with place.watch.database.transaction() as connection:
        row = dict(connection.execute(select(alerts).where(alerts.c.id == keeper)).mappings().one())
        connection.execute(alerts.insert().values({**row, "id": "merged", "state": "merged", "merged_into": keeper, "closed_at": None}))
    assert place.keeper.sweep() == {Purpose.ALERTS: 2}
    assert place.left() == set()


def test_no_id_is_given_twice_and_what_happens_later_is_raised_anew(place: Place) -> None:
    before = [place.alert(age) for age in (400, 300, 99)]
    place.keeper.sweep()
    after = [place.alert(age) for age in (50, 10)]
    assert place.left() == {before[2], *after} and len({*before, *after}) == 5
    with place.watch.database.reading() as connection:
        assert list(connection.scalars(select(removed_alerts.c.count))) == [2]


def test_a_risk_goes_with_the_last_alert_that_it_rests_on(place: Place) -> None:
    place.alert(300, closed=False)
    place.alert(200, closed=False)
    place.alert(300, "P-BBBBBBBBBB", closed=False)
    with place.watch.database.transaction() as connection:
        known = {row.value for row in connection.execute(select(entity_risks).where(entity_risks.c.kind == "user"))}
        assert known == {"P-AAAAAAAAAA", "P-BBBBBBBBBB"}
        closed = update(alerts).values(state="closed", closed_at=NOW - 150 * DAY)
        connection.execute(closed.where(alerts.c.last_at < NOW - 250 * DAY))
    assert place.keeper.sweep() == {Purpose.ALERTS: 2}
    with place.watch.database.reading() as connection:
        assert {row.value for row in connection.execute(select(entity_risks).where(entity_risks.c.kind == "user"))} == {"P-AAAAAAAAAA"}


def test_batches_go_on_to_the_end_and_a_kill_between_two_takes_nothing_else(tmp_path: Path) -> None:
    place = Place(tmp_path, batch_count=2)
    for age in range(300, 293, -1):
        place.alert(age)
    young = place.alert(5)
    ids: list[str] = []

    def killing(connection: Connection, wanted: list[str], before: datetime) -> int:
        if ids:
            raise KeyboardInterrupt
        ids.extend(wanted)
        return removed(connection, wanted, before)

    removed = retention.remove
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention, "remove", killing)
        with pytest.raises(KeyboardInterrupt):
            place.keeper.sweep()
    assert len(place.left()) == 6 and not set(ids) & place.left()
    assert place.keeper.sweep() == {Purpose.ALERTS: 5}
    assert place.left() == {young}
    place.close()


def test_a_clock_in_doubt_removes_no_alert(place: Place) -> None:
    place.alert(300)
    with place.watch.database.transaction() as connection:
        write_clock(connection, NOW - 30 * DAY, None)
    assert place.keeper.sweep() == {} and len(place.left()) == 1
