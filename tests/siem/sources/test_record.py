"""Reading a record: identity, envelope, time and address."""

import json
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.errors import DataError
from siem.event import RawRecord
from siem.sources.record import address, event_id, instant, json_of, repeated_name, text_of

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


def _record(data: bytes = b"x", position: str = "1:0", source: str = "web", tenant: str = "default") -> RawRecord:
    return RawRecord(source, position, AT, data, tenant)


def test_the_same_record_has_the_same_id_and_any_other_another() -> None:
    assert event_id(_record(b"a"), AT) == event_id(_record(b"a"), AT)
    different = [_record(position="1:1"), _record(source="web2"), _record(tenant="other")]
    ids = {event_id(_record(), AT), event_id(_record(), AT, 1), *(event_id(record, AT) for record in different)}
    assert len(ids) == 5
    assert all(len(identity) == 32 for identity in ids)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2300, 1, 1), timezones=st.just(UTC)), st.text(), st.text())  # noqa: DTZ001  # bounds with a zone
def test_ids_sort_by_time(at: datetime, one: str, other: str) -> None:
    assert event_id(_record(position=one), at) < event_id(_record(position=other), at + timedelta(milliseconds=1))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a line\r\n", "a line"),
        ("é".encode(), "é"),
        (b"caf\xe9", "caf\\xe9"),
        (b'{"message":" in an envelope ","host":{}}', "in an envelope"),
    ],
)
def test_a_line_is_taken_out_of_its_envelope(data: bytes, text: str) -> None:
    assert text_of(_record(data)) == text


@pytest.mark.parametrize(("data", "problem"), [(b'{"message":3}', "message"), (b"{", "not JSON"), (b'{"a":1} trailing', "not JSON")])
def test_an_envelope_without_a_line_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        text_of(_record(data))


def test_json_must_be_an_object() -> None:
    assert json_of(_record(b'{"a":[1]}')) == {"a": [1]}
    with pytest.raises(DataError, match="an object|a JSON object expected, not list"):
        json_of(_record(b"[1]"))


def test_an_instant_has_a_zone() -> None:
    assert instant(_record(), "recorded", "2026-11-22T22:00:00+01:00") == AT
    assert instant(_record(), "recorded", "2026-11-22T21:00:00Z") == AT
    for text in ("2026-11-22T21:00:00", "yesterday", "", 7, None):
        with pytest.raises(DataError) as caught:
            instant(_record(), "recorded", text)
        assert caught.value.field == "recorded"


def test_addresses_have_one_form() -> None:
    assert address("192.0.2.7") == "192.0.2.7"
    assert address("::FFFF:192.0.2.7") == "192.0.2.7"
    assert address("2001:DB8:0::1") == "2001:db8::1"
    assert address("poste-12") is None


@given(
    st.recursive(
        st.none() | st.text(max_size=4) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='a":\\ {', max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_name_is_said_to_be_repeated_where_none_is(value: object) -> None:
    document = {"x": value}
    for separators in ((",", ":"), (", ", " : ")):
        assert repeated_name(_record(json.dumps(document, separators=separators).encode()), document) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'{"a":1,"a":2}', "a"),
        (b'{"a" : 1, "a" : 2}', "a"),
        (b'{"b":{"a\\":":1,"x":[{"c":1,"c":2}]}}', "c"),
        (b'{"a":"\\":","a":3}', "a"),
        (b'{"a":1,"\\u0061":2}', "a"),
        (b'{"a":1,"a" :2}', "a"),
        (b'{"a":1,"a"\n\t:2}', "a"),
    ],
)
def test_a_name_that_is_written_twice_is_told(data: bytes, name: str) -> None:
    assert repeated_name(_record(data), orjson.loads(data)) == name
