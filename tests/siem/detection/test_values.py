from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from siem.detection.values import address, instant, is_measurable, number


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "", "ten", "0x10"])
def test_what_is_no_number_compares_with_none(text: str) -> None:
    assert number(text) is None


def test_an_address_may_be_mapped_bracketed_or_scoped() -> None:
    assert str(address("::ffff:192.0.2.1")) == "192.0.2.1"
    assert str(address("[2001:db8::1]")) == "2001:db8::1"
    assert str(address("fe80::1%eth0")) == "fe80::1"
    assert address("192.0.2.256") is None


def test_a_number_beyond_all_others_cannot_be_compared_with() -> None:
    assert is_measurable(2**53) and not is_measurable(10**400) and not is_measurable(float("nan"))


def test_an_instant_is_of_the_zone_it_states_or_of_the_one_asked_for() -> None:
    paris = ZoneInfo("Europe/Paris")
    assert instant("not an instant") is None
    assert instant("2026-07-01T23:30:00Z") == datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    there, here = instant("2026-07-01T23:30:00Z", paris), instant("2026-07-01T23:30:00", paris)
    assert there is not None and here is not None
    assert (there.day, there.hour, here.day, here.hour) == (2, 1, 1, 23), "what states no zone is taken as it is"
    assert instant("9999-12-31T23:59:59Z", paris) is None, "beyond the calendar"
