import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from idp.authentication.device_request import body_sha256, read_signed_request, verify_signed_request
from idp.authentication.refusal import AuthenticationRefused
from tests.idp.endpoints.login_flow import b64u, public_jwk, sign

KEY = ec.generate_private_key(ec.SECP256R1())
JWK = public_jwk(KEY)
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
URL = "https://idp.example/phone/api/approvals"
HEADER = {"alg": "ES256", "typ": "veilleur-device+jwt", "kid": "device-1"}


def _claims(body: bytes = b"", **changes: Any) -> dict[str, Any]:
    return {"htm": "GET", "htu": URL, "iat": int(NOW.timestamp()), "jti": "12345678", "body_sha256": body_sha256(body), **changes}


def _verify(token: str, body: bytes = b"", now: datetime = NOW) -> str:
    return verify_signed_request(read_signed_request(f"Device {token}"), JWK, method="GET", url=URL, body=body, now=now)


@given(st.binary(max_size=200))
def test_a_sound_signature_gives_its_jti(body: bytes) -> None:
    assert _verify(sign(KEY, HEADER, _claims(body)), body) == "12345678"


@pytest.mark.spec("RFC9449-4.3")
def test_the_query_is_no_part_of_the_address() -> None:
    assert _verify(sign(KEY, HEADER, _claims(htu=f"{URL}?a=1#b"))) == "12345678"


@given(st.integers(-300, 300))
def test_only_a_signature_of_this_minute_counts(seconds: int) -> None:
    token = sign(KEY, HEADER, _claims())
    if abs(seconds) <= 60:
        assert _verify(token, now=NOW + timedelta(seconds=seconds))
    else:
        with pytest.raises(AuthenticationRefused, match="iat is too far"):
            _verify(token, now=NOW + timedelta(seconds=seconds))


@pytest.mark.spec("RFC8725-3.1")
@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "HS256"},
        {**HEADER, "typ": "JWT"},
        {**HEADER, "kid": ""},
        {**HEADER, "kid": 7},
        {**HEADER, "jwk": JWK},
        {**HEADER, "crit": ["b64"], "b64": False},
        {"alg": "ES256", "typ": "veilleur-device+jwt"},
    ],
)
def test_refuses_any_other_header(header: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationRefused, match="invalid_device_request"):
        _verify(sign(KEY, header, _claims()))


def test_refuses_a_changed_payload() -> None:
    header, _, signature = sign(KEY, HEADER, _claims()).split(".")
    forged = b64u(json.dumps(_claims(jti="87654321")).encode())
    with pytest.raises(AuthenticationRefused, match="signature"):
        _verify(f"{header}.{forged}.{signature}")


@pytest.mark.spec("RFC7515-5.2")
def test_refuses_the_signature_of_another_key_or_of_another_shape() -> None:
    signed, _, signature = sign(KEY, HEADER, _claims()).rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    other = sign(ec.generate_private_key(ec.SECP256R1()), HEADER, _claims())
    shapes = ("", b64u(raw[:-1]), b64u(raw + b"\0"), b64u(bytes(64)), b64u(der), f"{signature}.{signature}", f".{signature}", "é")
    for token in (other, *(f"{signed}.{shape}" for shape in shapes)):
        with pytest.raises(AuthenticationRefused, match="invalid_device_request"):
            _verify(token)


@given(st.text(max_size=80) | st.binary(max_size=60).map(b64u).map(lambda part: f"Device {part}.{part}.{part}"))
def test_nothing_but_a_refusal_comes_of_noise(authorization: str) -> None:
    with pytest.raises(AuthenticationRefused, match="invalid_device_request"):
        verify_signed_request(read_signed_request(authorization), JWK, method="GET", url=URL, body=b"", now=NOW)


def test_refuses_what_is_too_long_before_reading_it() -> None:
    with pytest.raises(AuthenticationRefused, match="no device signature"):
        read_signed_request(f"Device {sign(KEY, HEADER, _claims(padding='x' * 5000))}")


def test_refuses_a_payload_that_is_no_object() -> None:
    with pytest.raises(AuthenticationRefused, match="not a JSON object"):
        _verify(sign(KEY, HEADER, [1]))  # type: ignore[arg-type]
