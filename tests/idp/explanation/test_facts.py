import base64
import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from idp.explanation.facts import (
    MAX_LENGTH,
    authorization_facts,
    back_channel_facts,
    jwt_facts,
    logout_facts,
    named_client,
    seconds_from,
)

SECRET = "Zq9-this-must-never-be-kept-8Wv"
#: Parameters whose value is a secret, a code, a token, a proof, or tells who somebody is.
CONFIDENTIAL = (
    *("client_secret", "code", "refresh_token", "code_verifier", "subject_token", "actor_token", "auth_req_id", "device_code", "assertion"),
    *("id_token_hint", "login_hint", "state", "nonce", "code_challenge", "claims", "authorization_details", "request", "request_uri"),
    *("username", "password", "token", "access_token", "binding_message", "client_notification_token", "user_code"),
)


def _jwt(header: object, claims: object) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return f"{'.'.join(parts)}.{SECRET}"


def test_nothing_confidential_is_kept_whatever_door_it_comes_to() -> None:
    sent = dict.fromkeys(CONFIDENTIAL, SECRET)
    basic = "Basic " + base64.b64encode(f"client:{SECRET}".encode()).decode()
    for facts in (
        authorization_facts(sent),
        authorization_facts(sent, sent),
        back_channel_facts(sent, basic, None, proof=True),
        logout_facts(sent),
    ):
        assert SECRET not in json.dumps(facts)


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_parameters_that_nobody_knows_are_not_kept(sent: dict[str, str]) -> None:
    unknown = {f"x_{name}": f"{SECRET}{value}" for name, value in sent.items()}
    for facts in (authorization_facts(unknown), back_channel_facts(unknown, "", None, proof=False), logout_facts(unknown)):
        assert SECRET not in json.dumps(facts)


def test_a_value_is_cut() -> None:
    assert len(authorization_facts({"redirect_uri": "x" * 10_000})["redirect_uri"]) == MAX_LENGTH + 1


def test_of_an_assertion_stay_the_members_that_prove_nothing() -> None:
    claims = {"iss": "a", "sub": "a", "aud": ["b"], "exp": 1_700_000_000.5, "iat": "soon", "jti": SECRET, "email": SECRET}
    facts = jwt_facts("client_assertion", _jwt({"alg": "ES256", "kid": "k-1", "jwk": {"d": SECRET}}, claims))
    assert SECRET not in json.dumps(facts)
    assert facts == {
        "client_assertion.alg": "ES256",
        "client_assertion.kid": "k-1",
        "client_assertion.iss": "a",
        "client_assertion.sub": "a",
        "client_assertion.aud": '["b"]',
        "client_assertion.exp": "1700000000",
        "client_assertion.iat": "not a number",
        "client_assertion.jti": "given",
    }


@given(st.text())
def test_any_text_is_taken_for_an_assertion_without_harm(token: str) -> None:
    assert all(isinstance(value, str) for value in jwt_facts("request", token).values())


def test_the_client_is_the_one_that_the_request_names_in_its_own_way() -> None:
    basic = "Basic " + base64.b64encode(b"my%20client:secret").decode()
    assert named_client({"client_id": "b"}, basic) == "my client"
    assert named_client({"client_assertion": _jwt({}, {"sub": "a"})}, "") == "a"
    assert named_client({"client_id": "b"}, "") == "b"
    assert named_client({}, "Basic é") is None
    assert named_client({}, "") is None


def test_several_methods_at_once_are_told() -> None:
    facts = back_channel_facts({"client_secret": "x", "client_assertion": "y"}, "basic z", None, proof=False)
    assert facts["auth_method"] == "client_secret_basic client_secret_post private_key_jwt"
    assert back_channel_facts({}, "", None, proof=False)["auth_method"] == "none"


def test_a_time_is_told_from_the_moment_the_request_came() -> None:
    at = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    assert seconds_from({"exp": str(int(at.timestamp()) - 90)}, "exp", at) == -90
    assert seconds_from({"exp": "not a number"}, "exp", at) is None
    assert seconds_from({}, "exp", at) is None
