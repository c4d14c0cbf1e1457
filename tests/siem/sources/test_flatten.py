import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.errors import DataError
from siem.event import Fields
from siem.sources import SOURCES
from siem.sources.flatten import MAX_DEPTH, MAX_ELEMENTS, MAX_FIELDS, MAX_NAME, MAX_TEXT, flattened, marked, unspaced
from tests.siem.sources.golden import record, settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=20,
)


def test_names_are_joined_with_dots_and_a_name_met_twice_has_both_values() -> None:
    fields, left_out = flattened({"a": {"b": 1, "c": None, "d": {}}, "a.b": "x", "l": [1, "2", None, {"m": True}, {"m": "y"}, ["3"]]})
    assert fields == {"a.b": ["1", "x"], "l": ["1", "2", "3"], "l.m": ["true", "y"]}
    assert left_out == ""


@given(st.dictionaries(st.text(min_size=1, max_size=4), JSON, max_size=5))
def test_any_document_becomes_flat_fields_within_the_limits(document: dict[str, Any]) -> None:
    fields, left_out = flattened(document)
    assert left_out == ""
    assert all(isinstance(value, str | int | float | bool) or all(isinstance(one, str) for one in value) for value in fields.values())


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {"leaf": "value"}
    for _ in range(levels):
        document = {"n": document}
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (nested(500), f"parts deeper than {MAX_DEPTH} levels, kept as text: 1"),
        ({"n": [[[[[[[[[[[[[[[[[[[[[["x"]]]]]]]]]]]]]]]]]]]]]]}, f"parts deeper than {MAX_DEPTH} levels, kept as text: 1"),
        ({f"f{number}": number for number in range(100_000)}, f"fields beyond the first {MAX_FIELDS}: {100_000 - MAX_FIELDS}"),
        ({"big": "x" * 10_000_000}, f"values cut at {MAX_TEXT} characters: 1"),
        ({"n" * 300: 1}, f"fields whose name is longer than {MAX_NAME} characters: 1"),
        ({"list": list(range(5000))}, f"lists cut at {MAX_ELEMENTS} values: 1"),
        ({"list": [{"a": 1}] * 5000}, f"lists cut at {MAX_ELEMENTS} values: 1"),
    ],
    ids=["depth", "depth of lists", "number", "size", "name", "list", "list of objects"],
)
def test_what_is_too_much_is_left_out_and_said(document: dict[str, Any], said: str) -> None:
    fields, left_out = flattened(document)
    assert said in left_out
    assert len(fields) <= MAX_FIELDS
    assert len(json.dumps(fields)) < 2 * MAX_TEXT
    shown = marked(fields, left_out)
    assert shown["log.flags"] == ["truncated"]
    assert said in str(shown["error.message"])


def test_names_lose_their_spaces_unless_the_name_is_taken() -> None:
    fields: Fields = {"Threat Name": "x", "Source Name": "y", "SourceName": "z", "labels.a b": "c"}
    unspaced(fields, "labels.")
    assert fields == {"Threat Name": "x", "Source Name": "y", "SourceName": "z", "labels.ab": "c"}
    unspaced(fields)
    assert fields == {"ThreatName": "x", "Source Name": "y", "SourceName": "z", "labels.ab": "c"}


def test_a_part_that_is_too_deep_keeps_its_text() -> None:
    fields, _ = flattened(nested(MAX_DEPTH + 5))
    (value,) = fields.values()
    assert '{"leaf":"value"}' in str(value)


@pytest.mark.parametrize("kind", ["windows", "ecs"])
@pytest.mark.parametrize("many", [{f"f{number}": 1 for number in range(2000)}, nested(900)], ids=["fields", "levels"])
def test_a_source_marks_what_it_cut(kind: str, many: dict[str, Any]) -> None:
    document = {"@timestamp": "2026-11-22T21:14:03Z", "Channel": "System", "EventID": 1, **many}
    (event,) = SOURCES[kind](settings(kind)).parse(record(kind, json.dumps(document)))
    assert event.fields["log.flags"] == ["truncated"]
    assert "left out of the event" in str(event.fields["error.message"])


@pytest.mark.parametrize("kind", ["windows", "ecs"])
def test_a_source_names_what_is_written_twice(kind: str) -> None:
    line = '{"@timestamp":"2026-11-22T21:14:03Z","Channel":"System","EventID":1,"Image":"a.exe","Image":"b.exe"}'
    (event,) = SOURCES[kind](settings(kind)).parse(record(kind, line))
    assert event.fields["log.flags"] == ["truncated"]
    assert "Image, which is written twice" in str(event.fields["error.message"])


@pytest.mark.parametrize("kind", ["windows", "ecs"])
def test_nesting_beyond_what_json_may_have_is_refused_with_the_reason(kind: str) -> None:
    with pytest.raises(DataError, match="not JSON"):
        SOURCES[kind](settings(kind)).parse(record(kind, '{"a":' * 2000 + "1" + "}" * 2000))
