from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.model import Device, DeviceState, Session
from idp.store.records import Reader, to_bytes

_text = st.text(st.characters(codec="utf-8"), max_size=20)
_instants = st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001 (the strategy adds the zone)

_sessions = st.builds(
    Session,
    id=_text,
    cookie_hash=_text,
    account_id=_text,
    method=_text,
    acr=_text,
    amr=st.lists(_text).map(tuple),
    auth_time=_instants,
    last_used_at=_instants,
    expires_at=_instants,
    source_ip=_text,
    user_agent=_text,
    device_id=st.none() | _text,
)


@given(_sessions)
def test_a_record_comes_back_as_it_was(session: Session) -> None:
    assert Reader(Session)(to_bytes(session)) == session


def test_a_state_comes_back_as_its_enumeration() -> None:
    device = Device(id="d", account_id="a", name="n", public_jwk={}, pin_mac="m", enrolled_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert Reader(Device)(to_bytes(device)).state is DeviceState.ACTIVE


def test_a_member_added_later_takes_its_default_and_one_removed_is_ignored() -> None:
    old = b'{"id":"d","account_id":"a","name":"n","public_jwk":{},"pin_mac":"m","enrolled_at":"2026-01-01T00:00:00Z","colour":"red"}'
    assert Reader(Device)(old).wrong_pin_count == 0


def test_a_missing_member_without_default_is_named() -> None:
    with pytest.raises(ValueError, match="'enrolled_at' is missing"):
        Reader(Device)(b'{"id":"d","account_id":"a","name":"n","public_jwk":{},"pin_mac":"m"}')


def test_records_read_last_are_given_again_and_never_in_the_place_of_another() -> None:
    read = Reader(Device)
    device = Device(id="d", account_id="a", name="n", public_jwk={}, pin_mac="m", enrolled_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert read(to_bytes(device)) is read(to_bytes(device))
    many = [replace(device, wrong_pin_count=number) for number in range(1000)]
    assert [read(to_bytes(one)) for one in many] == many
    assert read(to_bytes(device)) == device
