"""What holds for every source: bytes of any kind are events or a named refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.errors import DataError
from siem.event import FIELDS, Kind
from siem.sources import SOURCES
from tests.siem.sources.golden import logs, record, settings

_TYPES: dict[Kind, type] = {Kind.INTEGER: int, Kind.FLOAT: float, Kind.BOOLEAN: bool, Kind.KEYWORDS: list}


@pytest.mark.parametrize("kind", SOURCES)
@given(data=st.data())
def test_any_bytes_become_events_or_a_named_refusal(kind: str, data: st.DataObject) -> None:
    samples = [line for path in logs(kind) for line in path.read_bytes().splitlines()]
    line = data.draw(st.sampled_from(samples))
    start, end = sorted((data.draw(st.integers(0, len(line))), data.draw(st.integers(0, len(line)))))
    mutated = line[:start] + data.draw(st.binary(max_size=8)) + line[end:]
    try:
        events = SOURCES[kind](settings(kind)).parse(record(kind, mutated))
    except DataError as error:
        assert error.problem  # noqa: PT017  # either outcome is right; a refusal must say why
        return
    assert events
    for event in events:
        for name, value in event.fields.items():
            if name in FIELDS:
                assert type(value) is _TYPES.get(FIELDS[name], str), name
                assert value not in ("", None)
            else:
                assert type(value) in (str, int, float, bool, list), name


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_describes_its_fields(kind: str) -> None:
    fields = SOURCES[kind](settings(kind)).fields
    assert fields.keys() <= FIELDS.keys()
    assert all(fields.values())
