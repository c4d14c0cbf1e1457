"""What an analyst types finds the events they mean, and a mistake is named."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.errors import DataError
from siem.event import Event, Fields
from siem.store.events import EventStore, Scope, Search, StoredEvent
from siem.store.query import EVERYTHING, parse_query

EVENTS: dict[str, Fields] = {
    "read": {"event.action": "record.read", "user.id": "P-ALICE", "source.ip": "192.0.2.77", "health.record.count": 1},
    "refused": {
        "event.action": "login.failed",
        "user.id": "P-BOB",
        "source.ip": "203.0.113.9",
        "event.reason": "wrong PIN, 100% sure_of it",
    },
    "glass": {"event.action": "break_glass.started", "user.id": "P-ALICE", "health.break_glass": True, "user.roles": ["10C", "10E"]},
    "slow": {
        "event.action": "http.request",
        "http.response.status_code": 503,
        "user_agent.original": "curl/8.5",
        "source.ip": "2001:db8::7",
    },
}


@pytest.fixture(scope="module")
def store() -> EventStore:
    made = EventStore(None)
    at = datetime(2026, 11, 22, tzinfo=UTC)
    made.append([StoredEvent(number, Event(name, at, "web", "default", fields)) for number, (name, fields) in enumerate(EVENTS.items())])
    return made


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "glass read refused slow"),
        ("user.id:P-ALICE", "glass read"),
        ("user.id:P-ALICE AND event.action:record.read", "read"),
        ("user.id:P-ALICE event.action:record.read", "read"),
        ("user.id:P-ALICE ET SAUF event.action:record.read", "glass"),
        ("user.id:P-BOB OR user.id:P-ALICE event.action:record.read", "read refused"),
        ("(user.id:P-BOB OU user.id:P-ALICE) event.action:record.*", "read"),
        ("NOT user.id:P-ALICE", "refused slow"),
        ("NOT NOT user.id:P-ALICE", "glass read"),
        ("user.id:*", "glass read refused"),
        ("event.action:*.read", "read"),
        ("event.action:?????.failed", "refused"),
        ('event.action:"*.read"', ""),
        ("source.ip:192.0.2.0/24", "read"),
        ("source.ip:192.0.2.64/26", "read"),
        ("source.ip:192.0.2.128/25", ""),
        ("source.ip:0.0.0.0/0", "read refused"),
        ("source.ip:2001:db8::7", "slow"),
        ("source.ip:192.0.2.*", "read"),
        ("http.response.status_code:503", "slow"),
        ("http.response.status_code:>=500", "slow"),
        ("http.response.status_code:<500", ""),
        ("health.break_glass:oui", "glass"),
        ("user.roles:10E", "glass"),
        ("user.roles:10*", "glass"),
        ("event.reason:pin", "refused"),
        ('event.reason:"100% sure_of"', "refused"),
        ('event.reason:"100x sure"', ""),
        ("wrong", "refused"),
        ('"wrong pin"', "refused"),
        ("CURL", "slow"),
        ("sureXof", ""),
        ("event.id:slow", "slow"),
        ("source:web user.id:P-BOB", "refused"),
    ],
)
def test_a_query_finds_what_is_meant(store: EventStore, text: str, names: str) -> None:
    found = store.search(Search(Scope(), parse_query(text))).events
    assert sorted(event.id for event in found) == names.split()


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("user.ids:x", "user.ids", "did you mean user.id"),
        ("sequence:1", "sequence", "unknown field"),
        ("user.id:", "user.id", "a value is expected"),
        ("http.response.status_code:many", "http.response.status_code", "a number expected"),
        ("health.break_glass:perhaps", "health.break_glass", "true or false"),
        ("source.ip:1.2.3.0/99", "source.ip", "a network expected"),
        ("source.ip:2001:db8::/32", "source.ip", "IPv4 only"),
        ("(a OR b", "", "not closed"),
        ("a OR", "", "missing at the end"),
        ("a )", "", "unexpected ')'"),
        ("AND", "", "unexpected 'AND'"),
        ('"open', "", "not closed"),
        ("a " * 101, "", "at most 100"),
    ],
)
def test_a_mistake_is_named(text: str, field: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_query(text)
    assert caught.value.field == field
    assert problem in caught.value.problem


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["(", ")", "AND", "OR", "NOT", '"', "user.id:", "'; DROP TABLE events --", "\\", "%", "a"])).map(" ".join)
)
def test_any_text_is_a_query_or_a_named_mistake(store: EventStore, text: str) -> None:
    try:
        query = parse_query(text)
    except DataError as error:
        assert error.problem  # noqa: PT017  # either outcome is right; the error must say something
        return
    assert 0 <= store.count(Search(Scope(), query)) <= len(EVENTS)
    assert query is EVERYTHING or query.condition
    assert store.count(Search(Scope())) == len(EVENTS)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("user.id:P-ALICE", "both one"),
        ("user.id:P-BOB", "both"),
        ("user.id:P-*", "both one"),
        ("NOT user.id:P-BOB", "one other"),
        ("user.id:*", "both one"),
        ("source.ip:192.0.2.0/24", "both"),
        ("source.ip:198.51.100.2", "both"),
        ("http.response.status_code:>=500", "both"),
        ("http.response.status_code:200", "both one"),
        ("message:second", "both"),
        ("second", "both"),
    ],
)
def test_of_a_field_with_several_values_one_is_enough(text: str, names: str) -> None:
    made = EventStore(None)
    at = datetime(2026, 11, 22, tzinfo=UTC)
    rows: dict[str, Fields] = {
        "both": {
            "user.id": ["P-ALICE", "P-BOB"],
            "source.ip": ["192.0.2.7", "198.51.100.2"],
            "http.response.status_code": ["200", "503"],
            "message": ["the first", "the Second"],
        },
        "one": {"user.id": "P-ALICE", "http.response.status_code": 200, "message": "the first"},
        "other": {"event.action": "x"},
    }
    made.append([StoredEvent(number, Event(name, at, "web", "default", fields)) for number, (name, fields) in enumerate(rows.items())])
    known = frozenset[str]().union(*made.other_names("default").values())
    found = made.search(Search(Scope(), parse_query(text, known))).events
    assert " ".join(sorted(event.id for event in found)) == names
    assert made.has_lists("default") and not made.has_lists("another")
    made.close()
