import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authentication.pin import is_pin, is_right_pin, pin_mac

PEPPER = bytes(range(32))


@given(st.text(max_size=6))
def test_a_pin_is_four_ascii_digits(value: str) -> None:
    assert is_pin(value) == (len(value) == 4 and value.isascii() and value.isdigit())


def test_what_is_not_text_is_no_pin() -> None:
    assert [value for value in (1234, None, b"1234", ["1", "2", "3", "4"]) if is_pin(value)] == []


@given(st.from_regex(r"[0-9]{4}", fullmatch=True), st.from_regex(r"[0-9]{4}", fullmatch=True))
def test_only_the_same_pin_on_the_same_device_is_right(kept: str, given_pin: str) -> None:
    mac = pin_mac(PEPPER, "device", kept)
    assert is_right_pin(PEPPER, "device", given_pin, mac) == (kept == given_pin)
    assert not is_right_pin(PEPPER, "other", kept, mac)
    assert not is_right_pin(PEPPER[::-1], "device", kept, mac)


def test_refuses_a_short_pepper() -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        pin_mac(bytes(31), "device", "2580")
