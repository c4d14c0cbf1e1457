import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from idp.authentication.enrolment import activation_code_hash, device_name, device_public_jwk, new_activation_code, new_enrolment
from idp.authentication.refusal import AuthenticationRefused
from tests.idp.endpoints.login_flow import public_jwk

JWK = public_jwk(ec.generate_private_key(ec.SECP256R1()))


def test_a_code_can_be_read_aloud_and_is_never_the_same() -> None:
    codes = [new_activation_code() for _ in range(200)]
    assert len(set(codes)) == 200
    assert [code for code in codes if not re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", code)] == []


@given(st.sampled_from(["", " ", "-", "  "]), st.booleans())
def test_a_code_is_found_however_it_is_typed(separator: str, lower: bool) -> None:
    typed = separator.join(["7K3D", "9QXA", "2M4R", "W8T0"]).replace("0", "O")
    assert activation_code_hash(typed.lower() if lower else typed) == activation_code_hash("7K3D-9QXA-2M4R-W8T0")


def test_a_right_to_enrol_holds_no_code_and_ends() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    code, enrolment = new_enrolment("account", now, timedelta(hours=1))
    assert enrolment.code_hash == activation_code_hash(code)
    assert enrolment.expires_at == now + timedelta(hours=1)
    assert code not in str(enrolment)


def test_keeps_the_public_members_alone() -> None:
    assert device_public_jwk({**JWK, "key_ops": ["verify"], "ext": True}) == JWK


@pytest.mark.parametrize(
    "change", [{"kty": "OKP"}, {"crv": "P-384"}, {"x": "A"}, {"x": "A" * 42 + "="}, {"y": 7}, {"y": "A" * 43}, {"d": JWK["x"]}]
)
def test_refuses_what_is_not_a_public_point_on_the_curve(change: dict[str, object]) -> None:
    with pytest.raises(AuthenticationRefused, match="invalid_public_jwk"):
        device_public_jwk({**JWK, **change})


@pytest.mark.parametrize("value", [None, "JWK", [], 7])
def test_refuses_what_is_no_key_at_all(value: object) -> None:
    with pytest.raises(AuthenticationRefused, match="invalid_public_jwk"):
        device_public_jwk(value)


def test_a_name_is_trimmed_and_printable() -> None:
    assert device_name("  Téléphone d’Anaïs ") == "Téléphone d’Anaïs"
    for value in ("", "  ", "a\u202eb", "a\nb", "x" * 61, None, 3):
        with pytest.raises(AuthenticationRefused, match="invalid_name"):
            device_name(value)
