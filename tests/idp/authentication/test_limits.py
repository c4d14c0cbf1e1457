from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authentication.limits import admit, admit_address, count_failure, forgive, normalised_national_id, shadow_account_id
from idp.authentication.refusal import AuthenticationRefused
from idp.model import Limits
from tests.idp.authentication.doors_of_test import Setting, with_doors

LIMITS = Limits(account_attempt_count=3, source_attempt_count=5, window=timedelta(minutes=15))


def test_an_account_is_slowed_and_let_in_again_later(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        counters = setting.doors.store.counters
        for number in range(3):
            await admit(counters, LIMITS, shadow_id="s", ip=f"192.0.2.{number}", now=setting.now[0])
        with pytest.raises(AuthenticationRefused, match="too_many_attempts") as refused:
            await admit(counters, LIMITS, shadow_id="s", ip="192.0.2.9", now=setting.now[0])
        assert (refused.value.status, refused.value.retry_after_seconds) == (429, 900)
        await admit(counters, LIMITS, shadow_id="other", ip="192.0.2.9", now=setting.now[0])
        setting.advance(901)
        await admit(counters, LIMITS, shadow_id="s", ip="192.0.2.9", now=setting.now[0])

    with_doors(tmp_path, scenario)


def test_every_door_counts_on_the_same_counter(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        counters = setting.doors.store.counters
        for _ in range(3):
            await count_failure(counters, LIMITS, shadow_id="s", now=setting.now[0])
        with pytest.raises(AuthenticationRefused, match="this account"):
            await admit(counters, LIMITS, shadow_id="s", ip="192.0.2.1", now=setting.now[0])
        await forgive(counters, shadow_id="s", ip="192.0.2.1", now=setting.now[0])
        await admit(counters, LIMITS, shadow_id="s", ip="192.0.2.1", now=setting.now[0])

    with_doors(tmp_path, scenario)


def test_a_stranger_does_not_keep_a_person_out_of_their_usual_address(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        counters = setting.doors.store.counters
        await forgive(counters, shadow_id="s", ip="192.0.2.1", now=setting.now[0])
        for number in range(6):
            with suppress(AuthenticationRefused):
                await admit(counters, LIMITS, shadow_id="s", ip=f"203.0.113.{number}", now=setting.now[0])
        with pytest.raises(AuthenticationRefused, match="this account"):
            await admit(counters, LIMITS, shadow_id="s", ip="198.51.100.1", now=setting.now[0])
        for _ in range(3):
            await admit(counters, LIMITS, shadow_id="s", ip="192.0.2.1", now=setting.now[0])
        with pytest.raises(AuthenticationRefused, match="this account"):
            await admit(counters, LIMITS, shadow_id="s", ip="192.0.2.1", now=setting.now[0])

    with_doors(tmp_path, scenario)


def test_an_address_keeps_its_count_after_a_success(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        counters = setting.doors.store.counters
        for number in range(5):
            await admit(counters, LIMITS, shadow_id=f"s{number}", ip="192.0.2.1", now=setting.now[0])
            await forgive(counters, shadow_id=f"s{number}", ip="192.0.2.1", now=setting.now[0])
        with pytest.raises(AuthenticationRefused, match="this address"):
            await admit_address(counters, LIMITS, ip="192.0.2.1", now=setting.now[0])

    with_doors(tmp_path, scenario)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("99700000005", "899700000005"),
        (" 8 997 000 000 05", "899700000005"),
        ("0012600631", "0012600631"),
        ("30B0000005/A-1", "30B0000005/A-1"),
    ],
)
def test_a_bare_rpps_gets_its_type_digit(typed: str, meant: str) -> None:
    assert normalised_national_id(typed) == meant


@given(st.text(), st.text())
def test_a_shadow_is_stable_and_reveals_nothing(one: str, other: str) -> None:
    pepper = bytes(range(32))
    assert (shadow_account_id(pepper, one) == shadow_account_id(pepper, other)) == (one == other)
    assert len(shadow_account_id(pepper, one)) == 39
    assert shadow_account_id(pepper, one) != shadow_account_id(pepper[::-1], one)
