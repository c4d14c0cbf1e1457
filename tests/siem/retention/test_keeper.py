"""What has been kept long enough goes, what somebody still needs stays, and neither a kill nor a wrong clock takes anything else."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from siem.access import Principal, Role
from siem.errors import OperationError
from siem.event import Event, Fields, RawRecord
from siem.incidents.model import IncidentState, NotFound, Refused, Verdict
from siem.incidents.store import incidents
from siem.incidents.timeline import tell
from siem.retention.keeper import MOST_APART, Holds, Keeper, Parts
from siem.retention.store import Purpose, recent_sweeps
from siem.settings import ROOT
from siem.store.events import EventStore, Scope, Search, StoredEvent
from siem.store.queue import Queue
from tests.siem.incidents.conftest import NOW, Watch, detect

DAY = timedelta(days=1)
YEAR = timedelta(days=365)
LEAD = Principal("899700000029", "Hugo Lefèvre-Essai", frozenset({Role.RESPONSABLE}))
DURATIONS = {Purpose.SECURITY: YEAR, Purpose.ACCESS: 3 * YEAR, Purpose.RAW: YEAR, Purpose.ALERTS: 2 * YEAR}


class Place:
    """A watch that has run for ``days`` days, a record of security and one of access a day, received as they happened."""

    def __init__(self, folder: Path, *, batch_count: int = 200, busy: bool = False) -> None:
        self.watch = Watch(folder)
        self.events = EventStore(folder / "events.duckdb")
        self.queue = Queue(folder / "queue.sqlite", synchronous="normal")
        self.now = NOW
        self.holds = Holds(self.watch.database, lambda: self.now)
        parts = Parts(
            database=self.watch.database,
            events=self.events,
            queue=self.queue,
            clock=lambda: self.now,
            processed_up_to=lambda: self.queue.last_sequence,
            busy=lambda: busy,
        )
        self.keeper = Keeper(parts, DURATIONS, batch_count=batch_count)

    def receive(self, *happened: Event, received_at: datetime | None = None) -> None:
        records = [RawRecord("s", event.id, received_at or event.at, b"raw " + event.id.encode()) for event in happened]
        last = self.queue.put(records)
        self.events.append([StoredEvent(last - len(happened) + 1 + number, event) for number, event in enumerate(happened)])

    def live_through(self, days: int) -> None:
        ages = range(days, -1, -1)
        self.receive(*(made for age in ages for made in (event("s", age), event("a", age, health__patient__pseudonym="PAT-1"))))

    def ages(self, kind: str) -> list[int]:
        page = self.events.search(Search(Scope()), limit=100_000)
        return sorted((NOW - each.at).days for each in page.events if each.id.split("-")[1].startswith(kind))

    def raw_ages(self) -> list[int]:
        return sorted((NOW - queued.record.received_at).days for queued in self.queue.read(0, 100_000))

    def close(self) -> None:
        self.events.close()
        self.queue.close()


def event(kind: str, age: float, **fields: str) -> Event:
    at = NOW - timedelta(days=age)
    said: Fields = {"event.action": "login.failed", "user.id": "P-AAAAAAAAAA"}
    said |= {name.replace("__", "."): value for name, value in fields.items()}
    return Event(f"{int(at.timestamp() * 1000):013d}-{kind}{age}", at, "s", "default", said)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


def test_each_purpose_has_its_own_time_and_the_sweep_is_kept(place: Place) -> None:
    place.live_through(1200)
    removed = place.keeper.sweep()
    assert removed == {Purpose.SECURITY: 835, Purpose.ACCESS: 105, Purpose.RAW: 2 * 835, Purpose.ALERTS: 0}
    assert place.ages("s") == list(range(366)) and place.ages("a") == list(range(1096))
    assert place.raw_ages() == sorted([*range(366), *range(366)])
    with place.watch.database.reading() as connection:
        kept = {one.purpose: one for one in recent_sweeps(connection, 10)}
    assert {purpose: one.removed_count for purpose, one in kept.items()} == {one: count for one, count in removed.items() if count}
    assert kept[Purpose.ACCESS].before_at == NOW - 3 * YEAR and all(one.ended_at for one in kept.values())
    assert place.keeper.sweep() == dict.fromkeys(Purpose, 0)


def test_a_device_that_thinks_it_is_another_year_loses_nothing_it_sent_today(place: Place) -> None:
    place.receive(event("s", 1))
    place.receive(event("s", 20_000), received_at=NOW)
    place.receive(event("s", 500), received_at=NOW - 10 * DAY)
    assert place.keeper.sweep()[Purpose.SECURITY] == 0


def test_a_record_received_under_a_clock_that_ran_ahead_holds_nothing_back(place: Place) -> None:
    place.receive(event("s", 800), received_at=NOW + 4000 * DAY)
    place.receive(event("s", 700), received_at=NOW - 700 * DAY)
    place.receive(event("s", 1), received_at=NOW - DAY)
    assert place.keeper.sweep()[Purpose.SECURITY] == 2


def _alert(place: Place, *events: Event) -> str:
    place.watch.feed(detect("worst", *events), events=events)
    with place.watch.database.reading() as connection:
        return str(connection.scalars(incidents.select().with_only_columns(incidents.c.id)).one())


def _close(place: Place, incident_id: str) -> None:
    with place.watch.database.transaction() as connection:
        connection.execute(update(incidents).where(incidents.c.id == incident_id).values(state=IncidentState.CLOSED.value))
    alerts = place.watch.incidents.alerts_of(LEAD, incident_id)
    place.watch.incidents.close([alert.id for alert in alerts], Verdict.FALSE_POSITIVE, "rien", LEAD)


def test_what_an_open_incident_rests_on_stays_until_it_is_closed(place: Place) -> None:
    mine, other = event("s", 500), event("s", 501)
    place.receive(other, mine, event("s", 1))
    incident_id = _alert(place, mine)
    place.keeper.sweep()
    assert place.ages("s") == [1, 500]
    assert [record.record.data for record in place.queue.read(0, 9)] == [b"raw " + mine.id.encode(), b"raw " + event("s", 1).id.encode()]
    _close(place, incident_id)
    assert place.keeper.sweep() == {Purpose.SECURITY: 1, Purpose.ACCESS: 0, Purpose.RAW: 1, Purpose.ALERTS: 0}


def test_a_hold_outlives_the_incident_and_both_ends_of_it_are_in_its_history(place: Place) -> None:
    mine = event("s", 500)
    place.receive(mine, event("s", 1))
    incident_id = _alert(place, mine)
    _close(place, incident_id)
    with pytest.raises(Refused):
        place.holds.place(incident_id, " ", LEAD)
    number = place.holds.place(incident_id, "réquisition 12/2026", LEAD)
    assert place.keeper.sweep()[Purpose.SECURITY] == 0
    assert place.holds.release(number, "classée sans suite", LEAD) == number
    with pytest.raises(NotFound):
        place.holds.release(number, "encore", LEAD)
    assert place.keeper.sweep()[Purpose.SECURITY] == 1
    with place.watch.database.reading() as connection:
        told = [entry for entry in tell(connection, LEAD, incident_id) if "conserv" in entry.text]
    assert [(entry.actor, entry.text) for entry in told] == [
        (LEAD.name, "Événements conservés sans limite de durée — réquisition 12/2026"),
        (LEAD.name, "Fin de la conservation sans limite de durée — classée sans suite"),
    ]


def test_a_clock_that_jumps_forward_removes_nothing_until_a_person_says_it_is_right(place: Place) -> None:
    place.live_through(400)
    place.keeper.sweep()
    before = place.ages("s"), place.raw_ages()
    place.now = NOW + 3650 * DAY
    for _ in range(3):
        assert place.keeper.sweep() == {}
    place.now = NOW
    place.keeper.sweep()
    assert (place.ages("s"), place.raw_ages()) == before
    assert place.holds.status(9)[2] == (place.now, None)
    place.now = NOW + 3650 * DAY
    place.holds.trust_clock(LEAD)
    assert place.keeper.sweep()[Purpose.SECURITY] == len(before[0])


def test_a_clock_that_jumps_backwards_removes_nothing_and_is_believed_again_when_it_is_right(place: Place) -> None:
    place.live_through(400)
    place.keeper.sweep()
    place.now = NOW - 2000 * DAY
    assert place.keeper.sweep() == {}
    place.receive(event("s", -1), received_at=place.now)  # received meanwhile, under the wrong date
    place.now = NOW + 2 * DAY
    assert place.keeper.sweep()[Purpose.RAW] == 4  # two days of two records; what came under the wrong date stays
    assert place.raw_ages()[-1] == 2000


def test_a_first_start_under_a_wrong_clock_is_doubted_by_the_events_that_are_there(place: Place) -> None:
    place.live_through(20)
    place.now = NOW + MOST_APART + 3650 * DAY
    assert place.keeper.sweep() == {} and len(place.ages("s")) == 21
    assert place.holds.status(9)[2] == (NOW, place.now)


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.siem.retention.test_keeper import Place
place = Place(Path(sys.argv[1]), batch_count=100)
kept, calls = place.events.forget, []
def forget(*given, **named):
    count = kept(*given, **named)
    calls.append(count)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # removed, and not counted yet
    return count
place.events.forget = forget
place.keeper.sweep()
"""


def test_killed_half_way_it_goes_on_where_it_stood_and_takes_nothing_else(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.live_through(900)
    place.close()
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], cwd=ROOT, check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    place = _again(tmp_path)
    assert len(place.ages("s")) == 901 - 300
    place.keeper.sweep()
    assert place.ages("s") == list(range(366)) and place.raw_ages() == sorted([*range(366), *range(366)])
    place.close()


def _again(folder: Path) -> Place:
    """The place as the next process finds it: its database is not made anew."""
    database = (folder / "watch.sqlite").read_bytes()
    place = Place(folder)
    place.watch.database.close()
    (folder / "watch.sqlite").write_bytes(database)
    return place


def test_events_are_received_and_read_while_old_ones_go(place: Place) -> None:
    place.live_through(1500)
    failures: list[BaseException] = []

    def receive() -> None:
        try:
            for number in range(12):
                place.receive(event("n", -number / 1000))
                place.events.count(Search(Scope()))
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            failures.append(error)

    meanwhile = threading.Thread(target=receive)
    meanwhile.start()
    place.keeper.sweep()
    meanwhile.join()
    assert not failures and len(place.ages("n")) == 12 and place.ages("s") == list(range(366))


def test_the_space_of_what_went_is_given_back(tmp_path: Path) -> None:
    """A year comes, another goes: the files stay as large as what they hold."""
    place = Place(tmp_path, batch_count=5000)
    sizes: list[tuple[int, int]] = []
    for year in range(6):
        place.now = NOW + year * YEAR
        place.holds.trust_clock(LEAD)
        texts = (f"{number} {'x' * 200} {number * 7919 % 10_007}" for number in range(5_000))
        place.receive(*(event("s", 1 - year * 365 - number / 10_000, message=text) for number, text in enumerate(texts)))
        assert place.keeper.sweep()[Purpose.SECURITY] == (5_000 if year else 0)
        place.events.give_back()
        sizes.append(((tmp_path / "events.duckdb").stat().st_size, (tmp_path / "queue.sqlite").stat().st_size))
    place.close()
    assert all(sizes[-1][each] < 2.5 * sizes[0][each] for each in (0, 1)), sizes


def test_a_store_that_fails_is_said_and_tried_again(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()

    def fail(*_given: object, **_named: object) -> int:
        stop.set()
        raise OperationError("removing events past retention", "events.duckdb", retry_helps=True)

    place.live_through(400)
    monkeypatch.setattr(place.events, "forget", fail)
    place.keeper.run(stop)
    assert "what is past retention stays for now" in caplog.text and len(place.ages("s")) == 401
