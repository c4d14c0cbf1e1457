"""Fields without a column of their own are kept, found and named."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siem.errors import DataError
from siem.event import FIELDS, Event, Fields, text_of
from siem.store import other_fields
from siem.store.events import EventStore, Scope, Search, StoredEvent
from siem.store.query import parse_query
from tests.examples import examples

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
ALL = Scope()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda name: name not in FIELDS)
VALUE = st.one_of(TEXT, st.integers(-(2**70), 2**70), st.booleans(), st.floats(allow_nan=False), st.lists(TEXT, min_size=1, max_size=3))


def stored(many: list[Fields], store: EventStore | None = None, source: str = "s") -> EventStore:
    store = store or EventStore(None)
    store.append([StoredEvent(number, Event(f"{source}{number}", AT, source, "default", fields)) for number, fields in enumerate(many)])
    return store


@settings(max_examples=examples(25))
@given(st.lists(st.dictionaries(NAME, VALUE, max_size=4), min_size=1, max_size=4))
def test_whatever_a_source_calls_its_fields_they_come_back_as_the_text_that_rules_compare(many: list[Fields]) -> None:
    store = stored(many)
    back = {event.id: event.fields for event in store.search(Search(ALL)).events}
    store.close()
    for number, fields in enumerate(many):
        assert back[f"s{number}"] == {name: value if isinstance(value, list) else text_of(value) for name, value in fields.items()}


def test_a_separator_in_a_value_or_a_name_moves_nothing() -> None:
    many: list[Fields] = [{"a": "1\x1f2", "b": "3"}, {"c\x1fd": "x", "e": ""}, {"f": "plain"}]
    assert sorted(str(event.fields) for event in stored(many).search(Search(ALL)).events) == sorted(map(str, many))


EVENTS: list[Fields] = [
    {"event.code": "1", "Image": r"C:\Windows\System32\cmd.exe", "CommandLine": "cmd /c whoami", "ProcessId": 4660},
    {"event.code": "3", "Image": r"C:\Tools\nc.exe", "DestinationIp": "203.0.113.9", "ProcessId": 80},
    {"event.code": "4", "process.args": ["nc", "-l"], "winlog.keywords": ["Audit Failure"]},
    {"event.action": "login.failed"},
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"Image:*\cmd.exe", "0"),
        (r'image:"c:\\windows\\system32\\CMD.exe"', "0"),
        ("CommandLine:*whoami*", "0"),
        ("ProcessId:>100", "0"),
        ("ProcessId:<=80 Image:*", "1"),
        ("DestinationIp:203.0.113.0/24", "1"),
        ("DestinationIp:203.0.112.0/24", ""),
        ("process.args:nc", "2"),
        ("process.args:n?", "2"),
        ('winlog.keywords:"audit failure"', "2"),
        ("whoami", "0"),
        ("audit", "2"),
        ("NOT Image:*", "23"),
        ("Image:* OR process.args:*", "012"),
        (r"C:\Windows", "0"),
    ],
)
def test_they_are_searched_like_any_field(text: str, found: str) -> None:
    store = stored(EVENTS)
    names = frozenset().union(*store.other_names("default").values())
    page = store.search(Search(ALL, parse_query(text, names)))
    assert sorted(event.id.removeprefix("s") for event in page.events) == list(found)


def test_a_name_that_came_from_no_source_is_a_named_mistake_with_the_nearest() -> None:
    names = stored(EVENTS).other_names("default")["s"]
    with pytest.raises(DataError, match="CommandLin: unknown field; did you mean CommandLine?"):
        parse_query("CommandLin:x", names)
    with pytest.raises(DataError, match="Image: unknown field"):
        parse_query("Image:x")


def test_top_values_count_them_too() -> None:
    store = stored(EVENTS)
    assert store.top_values(Search(ALL), "Image") == [(r"C:\Tools\nc.exe", 1), (r"C:\Windows\System32\cmd.exe", 1)]
    assert store.top_values(Search(ALL), "process.args") == [("-l", 1), ("nc", 1)]


def test_each_source_of_a_tenant_has_its_names_and_they_survive_a_restart(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.duckdb")
    stored([{"Image": "a"}, {"user.id": "P-ONE"}], store, "one")
    stored([{"process.args": ["a"]}], store, "two")
    expected = {"one": {"Image"}, "two": {"process.args"}}
    assert store.other_names("default") == expected
    assert store.other_names("another") == {}
    store.close()
    again = EventStore(tmp_path / "events.duckdb")
    assert again.other_names("default") == expected
    assert [event.fields for event in again.search(Search(ALL, parse_query("Image:*", {"Image"}))).events] == [{"Image": "a"}]


def test_a_source_that_makes_names_up_fills_its_own_list_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_fields, "_MAX_NAMES", 3)
    store = stored([{f"n{number}": "x"} for number in range(5)], source="noisy")
    stored([{"Image": "x"}], store, "calm")
    assert {source: len(names) for source, names in store.other_names("default").items()} == {"noisy": 3, "calm": 1}
    assert store.count(Search(ALL, parse_query('"x"'))) == 6  # kept and found all the same
