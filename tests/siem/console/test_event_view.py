from datetime import UTC, datetime

from siem.console.event_view import scope, shown, text
from siem.event import Event
from siem.store.events import Scope
from tests.siem.console.world import AGENCY, ANALYST, DIRECTOR, FINESS


def test_who_sees_everything_has_no_bound_and_the_others_theirs() -> None:
    assert scope(ANALYST) == Scope("default", None)
    assert scope(DIRECTOR) == scope(AGENCY) == Scope("default", frozenset({FINESS}))


def test_the_telling_fields_come_first_in_their_order_and_none_is_lost() -> None:
    event = Event("e1", datetime(2026, 11, 22, tzinfo=UTC), "idp", "default", {"b": 1, "a": ["x", "y"], "c": True})
    view = shown(event, ("c", "absent", "b"))
    assert view.first == (("c", "true"), ("b", "1")) and view.others == (("a", "x, y"),)


def test_values_are_written_as_the_search_takes_them() -> None:
    assert [text(value) for value in (False, 3.5, ["a"], "é")] == ["false", "3.5", "a", "é"]
