from datetime import UTC, datetime, timedelta

import pytest

from siem.access import Principal, Role
from siem.detection.alarms import Kind, Raised
from siem.incidents import detection_alarms
from siem.incidents.detection_alarms import MOST_EVENTS, acknowledge, note, settled, standing
from siem.incidents.model import Forbidden, NotFound
from siem.incidents.queries import changes_of
from siem.store.database import Database, metadata

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
LEAD = Principal("8997", "Responsable", frozenset({Role.RESPONSABLE}))
ANALYST = Principal("8998", "Analyste", frozenset({Role.ANALYSTE}))
ELSEWHERE = Principal("8999", "Ailleurs", frozenset({Role.RESPONSABLE}), tenant="another")
OUT = Raised(Kind.OUT_OF_FORCE, "rule", "", 3, "took more than 100 ms")


@pytest.fixture
def database() -> Database:
    made = Database("sqlite://")
    metadata.create_all(made.engine)
    return made


def test_the_same_again_adds_to_the_alarm_that_stands_and_names_each_event_once(database: Database) -> None:
    ids = tuple(f"e{number}" for number in range(MOST_EVENTS))
    with database.transaction() as connection:
        note(connection, [Raised(Kind.DISAGREEMENT, "rule", "default", 2, event_ids=("e0", "e1"))], AT)
        note(connection, [Raised(Kind.DISAGREEMENT, "rule", "default", 90, event_ids=(*ids, "beyond"))], AT + timedelta(hours=1))
        (one,) = standing(connection, ANALYST)
    assert (one.count, one.event_ids, one.first_at, one.last_at) == (92, ids, AT, AT + timedelta(hours=1))


def test_once_somebody_took_note_the_next_is_another_alarm_and_the_history_says_who(database: Database) -> None:
    with database.transaction() as connection:
        note(connection, [OUT], AT)
        (one,) = standing(connection, LEAD)
        acknowledge(connection, str(one.id), "put_back", LEAD, AT)
        assert standing(connection, LEAD) == [] and [each.acknowledged_by for each in settled(connection, LEAD)] == ["8997"]
        (change,) = changes_of(connection, "rule", ["rule"])
        assert (change.field, change.old, change.new, change.actor) == ("alarm", "out_of_force", "put_back", "8997")
        note(connection, [OUT], AT + timedelta(days=1))
        (again,) = standing(connection, LEAD)
    assert again.id != one.id and again.count == 3


def test_only_the_head_of_the_watch_takes_note_and_each_tenant_sees_its_own(database: Database) -> None:
    with database.transaction() as connection:
        note(connection, [OUT, Raised(Kind.STATE_LOST, "window", "default", 40)], AT)
        assert {one.kind for one in standing(connection, ANALYST)} == {Kind.OUT_OF_FORCE, Kind.STATE_LOST}
        assert {one.kind for one in standing(connection, ELSEWHERE)} == {Kind.OUT_OF_FORCE}
        lost = next(one for one in standing(connection, LEAD) if one.kind is Kind.STATE_LOST)
        with pytest.raises(Forbidden):
            acknowledge(connection, str(lost.id), "noted", ANALYST, AT)
        for actor, wanted in ((ELSEWHERE, str(lost.id)), (LEAD, "0"), (LEAD, "9" * 30), (LEAD, "²"), (LEAD, "x")):
            with pytest.raises(NotFound):
                acknowledge(connection, wanted, "noted", actor, AT)


def test_an_alarm_is_raised_with_its_batch_or_not_at_all(database: Database) -> None:
    with pytest.raises(RuntimeError), database.transaction() as connection:
        detection_alarms.note(connection, [OUT], AT)
        raise RuntimeError("the batch fails")
    with database.reading() as connection:
        assert standing(connection, LEAD) == []
