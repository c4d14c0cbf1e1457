from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from idp.store.sqlite_time import from_microseconds, microseconds


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (the strategy adds the zone)
def test_an_instant_comes_back_exactly(at: datetime) -> None:
    assert from_microseconds(microseconds(at)) == at
