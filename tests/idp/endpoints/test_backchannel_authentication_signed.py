"""Signed backchannel logins (CIBA §7.1.1) as FAPI-CIBA demands them: what is missing or wrong is refused, nothing is ignored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.model import Profile
from tests.idp.endpoints.backchannel_flow import CIBA, CONNECT, Services, running_services, service
from tests.idp.endpoints.login_flow import CAMILLE
from tests.idp.relying_party import public_jwks, sign
from tests.idp.wire import ISSUER

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with running_services(tmp_path) as started:
        members: dict[str, Any] = {"profile": Profile.FAPI2, "id_token_signed_response_alg": "ES256", "jwks": public_jwks("ES256", "RS256")}
        members |= {"token_endpoint_auth_method": "private_key_jwt", "client_secret_hash": None, "scope": frozenset({"openid", "profile"})}
        started.register(service("bank", **members))
        started.register(service("signer", backchannel_authentication_request_signing_alg="ES256", jwks=public_jwks("ES256", "PS256")))
        yield started


def _claims(services: Services, client_id: str = "bank", **changed: Any) -> dict[str, Any]:
    at = int(services.provider.wall().timestamp())
    claims = {
        "iss": client_id,
        "aud": ISSUER,
        "exp": at + 60,
        "iat": at,
        "nbf": at,
        "jti": f"jti-{len(changed)}-{at}",
        "scope": "openid",
        "login_hint": CAMILLE,
        "binding_message": "42",
        **changed,
    }
    return {name: value for name, value in claims.items() if value is not None}


_COUNT = iter(range(10_000))


def _assertion(services: Services, client_id: str = "bank") -> dict[str, str]:
    at = int(services.provider.wall().timestamp())
    claims = {"iss": client_id, "sub": client_id, "aud": ISSUER, "exp": at + 60, "iat": at, "jti": f"assertion-{next(_COUNT)}"}
    return {"client_assertion_type": ASSERTION, "client_assertion": sign(claims, typ="JWT")}


def _ask(services: Services, signed: str | None, **beside: str) -> Any:
    form = {**_assertion(services), **({"request": signed} if signed else {}), **beside}
    return services.provider.client.post(f"{CONNECT}/ext/ciba/auth", data=form)


@pytest.mark.spec("CIBA-7.1.1", "FAPICIBA-5.2.2")
def test_a_signed_request_asks_the_person(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    answer = _ask(services, sign(_claims(services, requested_expiry="30"), typ=None))
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 30
    assert _ask(services, sign(_claims(services, requested_expiry=20, jti="other"), typ=None)).json()["expires_in"] == 20
    assert [question["binding_message"] for question in phone.questions()] == ["42", "42"]


@pytest.mark.spec("FAPICIBA-5.2.2")
def test_a_client_of_the_profile_must_sign_and_so_must_one_that_registered_it(services: Services) -> None:
    plain = _ask(services, None, scope="openid", login_hint=CAMILLE, binding_message="42")
    assert (plain.status_code, plain.json()["error"]) == (400, "invalid_request")
    assert services.ask("signer").json()["error"] == "invalid_request"
    signed = sign(_claims(services, "signer", scope="openid scope_all"), typ=None)
    assert services.post("ext/ciba/auth", "signer", request=signed).status_code == 200
    other = sign(_claims(services, "signer", jti="other"), alg="PS256", typ=None)
    assert services.post("ext/ciba/auth", "signer", request=other).json()["error"] == "invalid_request"


@pytest.mark.spec("CIBA-7.1.1", "FAPICIBA-5.2.2")
@pytest.mark.parametrize(
    "changed",
    [
        *({name: None} for name in ("aud", "iss", "exp", "iat", "nbf", "jti")),
        {"aud": "https://other.example"},
        {"aud": f"{ISSUER}/protocol/openid-connect/ext/ciba/auth"},
        {"iss": "lps"},
        {"sub": "bank"},
        {"exp": 1},
        {"exp": 9_999_999_999},
        {"nbf": 9_999_999_999},
        {"nbf": 1},
        {"iat": "now"},
        {"jti": ""},
        {"requested_expiry": ["30"]},
    ],
)
def test_each_claim_that_is_missing_or_wrong_is_refused(services: Services, changed: dict[str, Any]) -> None:
    phone = services.provider.phone(CAMILLE)
    answer = _ask(services, sign(_claims(services, **changed), typ=None))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert phone.questions() == []


@pytest.mark.spec("FAPICIBA-7.10", "RFC9101-10.1")
@pytest.mark.parametrize("kind", ["RS256", "none", "stranger", "text", "encrypted"])
def test_no_weak_and_no_strange_signature_counts(services: Services, kind: str) -> None:
    claims = _claims(services)
    made = {
        "RS256": lambda: sign(claims, alg="RS256", typ=None),
        "none": lambda: f"eyJhbGciOiJub25lIn0.{sign(claims, typ=None).split('.')[1]}.",
        "stranger": lambda: sign(claims, alg="ES256", key="stolen", typ=None),
        "text": lambda: "request",
        "encrypted": lambda: "a.b.c.d.e",
    }[kind]()
    answer = _ask(services, made)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.spec("CIBA-7.1.1")
@pytest.mark.parametrize("name", ["scope", "login_hint", "binding_message", "requested_expiry", "acr_values"])
def test_nothing_stands_beside_a_signed_request(services: Services, name: str) -> None:
    answer = _ask(services, sign(_claims(services), typ=None), **{name: "openid"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert name in answer.json()["error_description"]


@pytest.mark.spec("CIBA-7.1.1", "RFC9101-10.8")
def test_a_signed_request_counts_once(services: Services) -> None:
    signed = sign(_claims(services), typ=None)
    assert _ask(services, signed).status_code == 200
    assert _ask(services, signed).json()["error"] == "invalid_request"


@pytest.mark.spec("CIBA-7.1", "FAPICIBA-5.2.2")
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"login_hint": None}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"binding_message": None}, "invalid_binding_message"),
        ({"binding_message": "1" * 41}, "invalid_binding_message"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"requested_expiry": "-1"}, "invalid_request"),
    ],
)
def test_what_is_inside_is_held_to_the_same_rules(services: Services, changed: dict[str, Any], error: str) -> None:
    answer = _ask(services, sign(_claims(services, **changed), typ=None))
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert CIBA
