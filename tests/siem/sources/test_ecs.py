"""Golden files of the source ecs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.errors import DataError
from siem.event import Fields, RawRecord
from siem.sources.ecs import Ecs
from siem.sources.source import SourceSettings
from tests.siem.sources.golden import check, logs


@pytest.mark.parametrize("path", logs("ecs"), ids=lambda path: path.stem)
def test_a_log_becomes_the_expected_events(path: Path, expected: Callable[[Path, str], None]) -> None:
    check("ecs", path, expected)


def read(**fields: object) -> Fields:
    document = {"@timestamp": "2026-11-22T03:00:00Z", **{name.replace("__", "."): value for name, value in fields.items()}}
    record = RawRecord("ecs", "1", datetime(2026, 11, 22, tzinfo=UTC), json.dumps(document).encode())
    (event,) = Ecs(SourceSettings("ecs", "ecs", "DPI")).parse(record)
    return event.fields


def test_several_values_of_a_field_stay_several_and_each_is_of_its_kind() -> None:
    fields = read(
        user__id=["anne", "bob", "anne"],
        source={"ip": ["192.0.2.7", "2001:DB8::1"], "port": [443, "80"]},
        url=[{"path": "/a"}, {"path": "/b"}],
        host__name=["srv"],
        message=["", None],
        event={"code": [1, 3], "category": "process"},
    )
    assert fields["user.id"] == ["anne", "bob"]
    assert fields["source.ip"] == ["192.0.2.7", "2001:db8::1"]
    assert fields["source.port"] == ["443", "80"]
    assert fields["url.path"] == ["/a", "/b"]
    assert fields["host.name"] == "srv" and "message" not in fields
    assert (fields["event.code"], fields["event.category"]) == ("1, 3", ["process"]), "what an event is has one value"
    with pytest.raises(DataError, match="ip expected, not 'nowhere'"):
        read(source__ip=["192.0.2.7", "nowhere"])
