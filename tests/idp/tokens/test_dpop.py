import hmac
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import InvalidDpopProof
from idp.tokens.dpop import NONCE_PERIOD, Nonces, read_proof
from tests.idp.dpop_proofs import TOKEN, ClientKey, b64, forged, redeem, userinfo
from tests.idp.wire import START, Wire, claims_of

KEY = ClientKey()
OTHER = ClientKey()


def _label(changes: dict[str, Any]) -> str:
    """The same in every process: the keys are not."""
    text = str(changes)
    for number, part in enumerate((KEY.jwk["x"], KEY.jwk["y"], OTHER.jwk["x"], OTHER.jwk["y"])):
        text = text.replace(part, f"<{number}>")
    return text


def _refused(answer: Any, error: str = "invalid_dpop_proof", status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text


@pytest.mark.spec("RFC9449-5", "RFC9449-6.1", "RFC9449-7.1", "RFC7638-3")
def test_a_proof_binds_the_token_to_its_key(wire: Wire) -> None:
    body = redeem(wire, wire.code(), KEY.proof(wire)).json()
    token = body["access_token"]
    assert body["token_type"] == "DPoP"
    assert claims_of(token)["cnf"] == {"jkt": KEY.jkt}
    shown = userinfo(wire, token, KEY.proof(wire, f"{TOKEN[:-5]}userinfo", "GET", token))
    assert (shown.status_code, "cnf" in shown.json()) == (200, False)
    assert wire.events("access_token.issued")[-1]["health.token.binding"] == "dpop"


@pytest.mark.spec("RFC9449-4.3")
@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "GET"},
        {"htm": "post"},
        {"htm": None},
        {"htu": TOKEN.replace("/token", "/userinfo")},
        {"htu": TOKEN.replace("http:", "https:")},
        {"htu": f"{TOKEN}/"},
        {"htu": TOKEN.replace("127.0.0.1", "127.0.0.1.evil.example")},
        {"htu": TOKEN.replace("http://", "http://someone@")},
        {"htu": TOKEN.replace("/token", "%2Ftoken")},
        {"htu": None},
        {"htu": [TOKEN]},
        {"jti": None},
        {"jti": ""},
        {"jti": "j" * 300},
        {"jti": 7},
        {"iat": None},
        {"iat": int(START.timestamp()) - 61},
        {"iat": int(START.timestamp()) + 61},
        {"iat": "now"},
        {"iat": True},
        {"header": {"typ": "JWT"}},
        {"header": {"typ": None}},
        {"header": {"jwk": OTHER.jwk}},
        {"header": {"jwk": None}},
        {"header": {"jwk": {**KEY.jwk, "d": "AA"}}},
        {"header": {"jwk": {"kty": "oct", "k": "c2VjcmV0"}}},
        {"header": {"jwk": {**KEY.jwk, "crv": "P-384"}}},
        {"header": {"jwk": {**KEY.jwk, "x": 7}}},
        {"header": {"crit": ["exp"]}},
    ],
    ids=_label,
)
def test_a_proof_at_fault_is_refused_and_the_code_is_not_spent(wire: Wire, changes: dict[str, Any]) -> None:
    code = wire.code()
    _refused(redeem(wire, code, KEY.proof(wire, **changes)))
    assert redeem(wire, code, KEY.proof(wire)).status_code == 200


@pytest.mark.spec("RFC9449-4.3")
@pytest.mark.parametrize("htu", [f"{TOKEN}?a=1#b", TOKEN.replace("http:", "HTTP:"), TOKEN.replace("/token", "/./x/..//../%74oken")])
def test_the_query_of_htu_is_not_compared_nor_how_it_is_spelt(wire: Wire, htu: str) -> None:
    assert redeem(wire, wire.code(), KEY.proof(wire, htu=htu)).status_code == 200


@pytest.mark.spec("RFC9449-11.1")
def test_a_proof_counts_once_whatever_it_is_used_for(wire: Wire) -> None:
    proof = KEY.proof(wire)
    assert redeem(wire, wire.code(), proof).status_code == 200
    _refused(redeem(wire, wire.code(), proof))
    _refused(redeem(wire, wire.code("other"), proof, "other"))
    # Another key may choose the same jti.
    assert redeem(wire, wire.code(), OTHER.proof(wire, jti=claims_of(proof)["jti"])).status_code == 200
    assert wire.events("access_token.refused")[-1]["event.reason"].startswith("invalid_dpop_proof")


@pytest.mark.spec("RFC9449-4.3")
def test_two_proofs_are_none(wire: Wire) -> None:
    headers = [("DPoP", KEY.proof(wire)), ("DPoP", KEY.proof(wire))]
    answer = wire.http.post(TOKEN, data={"grant_type": "client_credentials"}, auth=("machine", "s" * 43), headers=headers)
    _refused(answer)


@pytest.mark.spec("RFC9449-4.3", "RFC8725-3.1", "RFC8725-3.2")
def test_no_other_algorithm_is_taken_for_a_signature(wire: Wire) -> None:
    payload = {"htm": "POST", "htu": TOKEN, "iat": int(START.timestamp()), "jti": "forged"}
    pem = KEY.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    rsa_key = rsa.generate_private_key(65537, 2048)
    rsa_jwk = {n: v for n, v in jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True).items() if n in ("kty", "n", "e")}
    signed = {"typ": "dpop+jwt", "jwk": KEY.jwk}
    hs = {**signed, "alg": "HS256"}
    mac = hmac.digest(pem, forged(hs, payload, b"").removesuffix(".").encode(), "sha256")
    for proof in (
        forged({**signed, "alg": "none"}, payload, b""),
        forged(hs, payload, mac),
        forged({**signed, "alg": "ES256"}, payload, b"\0" * 64),
        forged({**signed, "alg": "ES256"}, payload, b""),
        KEY.proof(wire, alg="RS256", key=rsa_key, header={"jwk": rsa_jwk}),
        KEY.proof(wire, key=ec.generate_private_key(ec.SECP256R1())),
    ):
        _refused(redeem(wire, wire.code(), proof))
    assert redeem(wire, wire.code(), KEY.proof(wire, alg="PS256", key=rsa_key, header={"jwk": rsa_jwk})).status_code == 200


@pytest.mark.spec("RFC9449-8")
@given(seconds=st.floats(0, 3 * NONCE_PERIOD.total_seconds()))
def test_a_nonce_lives_one_to_two_periods_and_only_from_its_own_key(seconds: float) -> None:
    nonces = Nonces(b"k" * 32)
    made = nonces.current(START)
    later = START + timedelta(seconds=seconds)
    if seconds < NONCE_PERIOD.total_seconds():
        assert nonces.accept(made, later)
    if seconds >= 2 * NONCE_PERIOD.total_seconds():
        assert not nonces.accept(made, later)
    assert not Nonces(b"q" * 32).accept(made, later)


@given(
    st.text(max_size=300)
    | st.binary(max_size=100).map(lambda raw: ".".join([b64(raw)] * 3))
    | st.dictionaries(
        st.sampled_from(["alg", "typ", "jwk", "crit"]),
        st.sampled_from(["ES256", "dpop+jwt", KEY.jwk, None, 7, [], {}, "none"]),
    ).map(lambda header: forged(header, {}, b"\0" * 64))
)
def test_no_text_makes_the_reader_fail(text: str) -> None:
    with pytest.raises(InvalidDpopProof):
        read_proof(text)
