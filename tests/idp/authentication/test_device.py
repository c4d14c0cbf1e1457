import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from idp.authentication.device import Holder, SignedCall, answer, enrol, prove, waiting
from idp.authentication.device_approval import Answer, Decision
from idp.authentication.device_login import ask
from idp.authentication.refusal import AuthenticationRefused
from idp.model import ApprovalState, DeviceState
from tests.idp.authentication.doors_of_test import BROWSER, CAMILLE, CLIENT, PHONE, Setting, with_doors
from tests.idp.endpoints.login_flow import public_jwk

JWK = public_jwk(ec.generate_private_key(ec.SECP256R1()))


async def _holder(setting: Setting) -> Holder:
    document = {"activation_code": await setting.activation_code(), "name": "Téléphone", "public_jwk": JWK, "pin": "2580"}
    return Holder(await enrol(setting.doors, document, PHONE), CAMILLE)


def test_the_pin_is_nowhere_in_what_is_kept(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        holder = await _holder(setting)
        kept = await setting.doors.store.devices.get(holder.device.id)
        assert kept == holder.device
        assert len(holder.device.pin_mac) == 64
        # As a word: identifiers and hashes hold every four digits sooner or later.
        assert not re.search(r"\b2580\b", str(setting.events()) + str({**holder.device.public_jwk}))

    with_doors(tmp_path, scenario)


def test_a_suspended_person_enrols_nothing(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        document = {"activation_code": await setting.activation_code("victor"), "name": "T", "public_jwk": JWK, "pin": "2580"}
        with pytest.raises(AuthenticationRefused, match="invalid_activation_code"):
            await enrol(setting.doors, document, PHONE)
        assert await setting.doors.store.devices.of_account("victor") == []

    with_doors(tmp_path, scenario)


def test_an_approval_needs_the_pin_and_refusing_does_not(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        holder = await _holder(setting)
        first = await ask(setting.doors, await setting.interaction(), CLIENT, "899700000005", BROWSER)
        (seen,) = await waiting(setting.doors, holder, PHONE)
        assert seen.state is ApprovalState.SEEN
        yes = Answer(Decision.APPROVE, first.challenge, first.code)
        with pytest.raises(AuthenticationRefused, match="invalid_pin") as refused:
            await answer(setting.doors, holder, first.id, yes, "", PHONE)
        assert refused.value.remaining == 2
        settled = await answer(setting.doors, holder, first.id, Answer(Decision.DENY, first.challenge), "", PHONE)
        assert settled.state is ApprovalState.DENIED

    with_doors(tmp_path, scenario)


def test_a_right_pin_leaves_the_device_active_and_used(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        holder = await _holder(setting)
        approval = await ask(setting.doors, await setting.interaction(), CLIENT, "899700000005", BROWSER)
        await answer(setting.doors, holder, approval.id, Answer(Decision.APPROVE, approval.challenge, approval.code), "2580", PHONE)
        device = await setting.doors.store.devices.get(holder.device.id)
        assert device is not None
        assert (device.state, device.wrong_pin_count, device.last_used_at) == (DeviceState.ACTIVE, 0, setting.now[0])

    with_doors(tmp_path, scenario)


def test_nothing_is_proved_without_a_signature(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        for authorization in (None, "", "Bearer x", "Device x.y.z"):
            with pytest.raises(AuthenticationRefused, match="invalid_device_request"):
                await prove(setting.doors, SignedCall("GET", "https://idp.example/", authorization, b""))

    with_doors(tmp_path, scenario)
