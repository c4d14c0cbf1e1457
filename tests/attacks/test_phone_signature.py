"""A phone's request counts once, at one address, with one body, under the one key.

Precedents: RFC9449-11.1 (replay of proofs), authlib CVE-2025-59420, PyJWT CVE-2026-102266, and servers that build the signed
address from the Host header.
"""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.attacks.forgery import ec_signed, hmac_signed, unsigned
from tests.idp.endpoints.login_flow import BASE_URL, CAMILLE, LUCAS, Phone, Provider, b64u, public_jwk

pytestmark = pytest.mark.precedent("RFC9449-11.1", "CVE-2025-59420", "CVE-2026-102266")


LIST = "/phone/api/approvals"


def _refused(phone: Phone, proof: str, path: str = LIST, method: str = "GET", body: bytes = b"", **headers: str) -> None:
    sent = {"Authorization": f"Device {proof}", **headers}
    answer = phone.provider.client.request(method, f"{BASE_URL}{path}", content=body, headers=sent)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_device_request"}), proof


def _claims(phone: Phone, **changes: Any) -> dict[str, Any]:
    header, payload = phone.proof("GET", f"{BASE_URL}{LIST}").split(".")[:2]
    assert header
    import json

    from tests.attacks.forgery import b64u_decode

    made = {**json.loads(b64u_decode(payload)), **changes}
    return {name: value for name, value in made.items() if value is not None}


def test_a_proof_counts_once(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    proof = phone.proof("GET", f"{BASE_URL}{LIST}")
    assert phone.send("GET", LIST, proof=proof).status_code == 200
    _refused(phone, proof)


@pytest.mark.spec("RFC9449-4.3")
def test_forged_and_confused_proofs_are_refused(provider: Provider) -> None:
    phone, other = provider.phone(CAMILLE), provider.phone(LUCAS)
    header = {"alg": "ES256", "typ": "veilleur-device+jwt", "kid": phone.device_id}
    attacker = ec.generate_private_key(ec.SECP256R1())
    raw = b64u(str(public_jwk(phone.key)).encode()).encode()
    forged = [
        *(unsigned({**header, "alg": alg}, _claims(phone)) for alg in ("none", "None", "", None, "HS256", "ES384", ["ES256"])),
        *(hmac_signed({**header, "alg": alg}, _claims(phone), key) for alg in ("HS256", "ES256") for key in (b"", raw)),
        ec_signed(header, _claims(phone), attacker),
        ec_signed({**header, "kid": other.device_id}, _claims(phone), phone.key),
        *(ec_signed({**header, "kid": kid}, _claims(phone), phone.key) for kid in ("", "nobody", None, 1)),
        ec_signed({**header, "jwk": public_jwk(attacker)}, _claims(phone), attacker),
        ec_signed({**header, "jwk": public_jwk(phone.key)}, _claims(phone), phone.key),
        ec_signed({**header, "crit": ["exp"]}, _claims(phone), phone.key),
        ec_signed({**header, "typ": "JWT"}, _claims(phone), phone.key),
        ec_signed({**header, "typ": "dpop+jwt"}, _claims(phone), phone.key),
    ]
    for proof in forged:
        _refused(phone, proof)


@pytest.mark.parametrize(
    "changes",
    [
        *({"htm": htm} for htm in (None, "POST", "get", "", 1)),
        *(
            {"htu": f"{BASE_URL}{path}"}
            for path in ("/phone/api/approvals/x", "/phone/api/devices", "/", f"{LIST}/", "//phone/api/approvals")
        ),
        *({"htu": htu} for htu in (None, LIST, f"http://evil.example{LIST}", f"https://127.0.0.1:8800{LIST}", 5, [BASE_URL])),
        *({"iat": iat} for iat in (None, 0, -1, 10**12, True, "now", 1.5)),
        *({"jti": jti} for jti in (None, "", "short", "j" * 129, 5)),
        *({"body_sha256": digest} for digest in (None, "", "x", b64u(bytes(32)))),
    ],
)
def test_a_proof_made_for_something_else_is_refused(provider: Provider, changes: dict[str, Any]) -> None:
    phone = provider.phone(CAMILLE)
    header = {"alg": "ES256", "typ": "veilleur-device+jwt", "kid": phone.device_id}
    _refused(phone, ec_signed(header, _claims(phone, **changes), phone.key))


def test_an_old_or_early_proof_is_refused(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    at = int(provider.wall().timestamp())
    for iat in (at - 61, at + 61):
        _refused(phone, phone.proof("GET", f"{BASE_URL}{LIST}", iat=iat))


def test_a_proof_binds_its_body(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    path = f"{LIST}/x"
    proof = phone.proof("POST", f"{BASE_URL}{path}", b'{"decision":"deny"}')
    _refused(phone, proof, path, "POST", b'{"decision":"approve"}')


@pytest.mark.parametrize("host", ["evil.example", f"127.0.0.1:8800{LIST}/one?", f"127.0.0.1:8800{LIST}/one#", "a b", ""])
def test_the_host_header_does_not_move_the_address_that_was_signed(provider: Provider, host: str) -> None:
    phone = provider.phone(CAMILLE)
    _refused(phone, phone.proof("POST", f"{BASE_URL}{LIST}/one", b"{}"), f"{LIST}/two", "POST", b"{}", Host=host)
    answer = provider.client.get(
        f"{BASE_URL}{LIST}", headers={"Authorization": f"Device {phone.proof('GET', f'{BASE_URL}{LIST}')}", "Host": host or "x"}
    )
    assert answer.status_code == 200
