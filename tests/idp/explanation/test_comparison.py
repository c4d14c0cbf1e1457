from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from idp.endpoints.pages import pages
from idp.explanation.comparison import SOURCES, Row, compare
from idp.model import Client, Profile, Refusal
from tests.idp.wire import ISSUER, REDIRECT, START, client

SERVICE = client("service")
KEYED = client(
    "keyed",
    token_endpoint_auth_method="private_key_jwt",
    client_secret_hash=None,
    jwks={"keys": [{"kty": "EC", "crv": "P-256", "kid": "k-1", "x": "x", "y": "y"}]},
)
AUTHORIZATION = {
    "redirect_uri": REDIRECT,
    "response_type": "code",
    "scope": "openid",
    "code_challenge": "given, 43",
    "code_challenge_method": "S256",
}
NOW = int(START.timestamp())
ASSERTION = {
    "auth_method": "private_key_jwt",
    "client_assertion.alg": "ES256",
    "client_assertion.kid": "k-1",
    "client_assertion.iss": "keyed",
    "client_assertion.sub": "keyed",
    "client_assertion.aud": ISSUER,
    "client_assertion.exp": str(NOW + 60),
    "client_assertion.iat": str(NOW),
    "client_assertion.jti": "given",
    "grant_type": "refresh_token",
}


def _rows(endpoint: str, facts: dict[str, str], registered: Client = SERVICE) -> list[Row]:
    refusal = Refusal(
        reference="0" * 16,
        client_id=registered.client_id,
        endpoint=endpoint,
        at=START,
        expires_at=START + timedelta(days=1),
        source="",
        error="invalid_request",
        description="",
        facts=facts,
    )
    return compare(refusal, registered, ISSUER)


def _faults(endpoint: str, facts: dict[str, str], registered: Client = SERVICE) -> dict[str, str]:
    return {row.name: row.rule for row in _rows(endpoint, facts, registered) if row.rule}


def _without(facts: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in facts.items() if name not in names}


def test_a_request_that_fits_has_no_fault() -> None:
    assert _faults("authorization", AUTHORIZATION) == {}
    assert _faults("token", ASSERTION, KEYED) == {}
    assert _faults("token", {"auth_method": "client_secret_basic", "grant_type": "refresh_token"}) == {}


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"redirect_uri": f"{REDIRECT}/"}, {"redirect_uri": "redirect_uri"}),
        ({"response_type": "token"}, {"response_type": "response_type"}),
        ({"response_mode": "fragment"}, {"response_mode": "response_mode"}),
        ({"scope": "openid drugs:read"}, {"scope": "scope"}),
        ({"scope": "profile"}, {"scope": "scope_openid"}),
        ({"resource": "https://elsewhere.example/"}, {"resource": "resource"}),
        ({"code_challenge_method": "plain"}, {"code_challenge": "pkce"}),
        ({"code_challenge": "given, 40"}, {"code_challenge": "pkce"}),
    ],
)
def test_what_differs_in_a_login_request_is_named_by_its_rule(change: dict[str, str], faults: dict[str, str]) -> None:
    assert _faults("authorization", AUTHORIZATION | change) == faults


@pytest.mark.parametrize("name", ["redirect_uri", "response_type", "scope"])
def test_what_is_missing_from_a_login_request_is_named(name: str) -> None:
    [fault] = [row for row in _rows("authorization", _without(AUTHORIZATION, name)) if row.rule]
    assert (fault.name, fault.sent) == (name, None)


def test_an_address_is_marked_at_the_first_character_that_differs_from_the_nearest_one_registered() -> None:
    [row] = [row for row in _rows("authorization", AUTHORIZATION | {"redirect_uri": "https://service.example/retours"}) if row.rule]
    assert row.marks is not None
    sent, registered = row.marks
    assert (sent.same, sent.character, registered.character, sent.at) == (REDIRECT, "s", "", len(REDIRECT) + 1)


def test_only_the_words_that_are_not_registered_are_marked() -> None:
    [row] = [row for row in _rows("authorization", AUTHORIZATION | {"scope": "openid a profile b"}) if row.rule]
    assert row.excess == ("a", "b")


def test_what_a_profile_demands_counts() -> None:
    strict = replace(SERVICE, profile=Profile.FAPI2, require_signed_request_object=True)
    assert _faults("authorization", AUTHORIZATION, strict) == {"request_uri": "par", "request": "signed_request"}
    lax = replace(SERVICE, profile=Profile.PSC)
    assert _faults("authorization", _without(AUTHORIZATION, "code_challenge", "code_challenge_method"), lax) == {}


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"client_assertion.alg": "HS256"}, {"client_assertion.alg": "alg"}),
        ({"client_assertion.kid": "k-2"}, {"client_assertion.kid": "kid"}),
        ({"client_assertion.sub": "other"}, {"client_assertion.sub": "issuer_of_jwt"}),
        ({"client_assertion.aud": f"{ISSUER}/"}, {"client_assertion.aud": "audience"}),
        ({"client_assertion.exp": str(NOW - 10)}, {"client_assertion.exp": "clock_behind"}),
        ({"client_assertion.exp": str(NOW + 611)}, {"client_assertion.exp": "too_long"}),
        ({"client_assertion.iat": str(NOW + 11)}, {"client_assertion.iat": "clock_ahead"}),
        ({"client_assertion.nbf": str(NOW + 11)}, {"client_assertion.nbf": "clock_ahead"}),
        ({"auth_method": "client_secret_post"}, {"token_endpoint_auth_method": "auth_method"}),
        ({"auth_method": "client_secret_post private_key_jwt"}, {"token_endpoint_auth_method": "auth_method"}),
        ({"auth_method": "private_key_jwt certificate"}, {}),
        ({"grant_type": "client_credentials"}, {"grant_type": "grant_types"}),
    ],
)
def test_what_differs_in_a_client_s_proof_is_named_by_its_rule(change: dict[str, str], faults: dict[str, str]) -> None:
    assert _faults("token", ASSERTION | change, KEYED) == faults


@pytest.mark.parametrize("seconds", [-9, 10])
def test_clocks_that_are_a_little_apart_are_no_fault(seconds: int) -> None:
    name = "client_assertion.exp" if seconds < 0 else "client_assertion.iat"
    assert _faults("token", ASSERTION | {name: str(NOW + seconds)}, KEYED) == {}


def test_how_far_the_clocks_are_apart_is_told_in_seconds() -> None:
    rows = {row.name: row for row in _rows("token", ASSERTION | {"client_assertion.exp": str(NOW - 3600)}, KEYED)}
    assert rows["client_assertion.exp"].sent == "-3600 s"


@pytest.mark.parametrize(
    ("change", "name", "rule"),
    [
        ({"code.state": "used"}, "code", "code_used"),
        ({"code.state": "over"}, "code", "code_over"),
        ({"code_verifier": "given, 42"}, "code_verifier", "code_verifier"),
        ({"redirect_uri": f"{REDIRECT}?x"}, "redirect_uri", "token_redirect_uri"),
    ],
)
def test_what_is_wrong_with_a_code_is_told(change: dict[str, str], name: str, rule: str) -> None:
    facts = {
        "auth_method": "client_secret_basic",
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT,
        "code_verifier": "given, 43",
        **change,
    }
    assert _faults("token", facts) == {name: rule}


@pytest.mark.parametrize(
    ("members", "change", "faults"),
    [
        ({"tls_client_auth_san_dns": "s.example"}, {}, {"x5t#S256": "certificate", "token_endpoint_auth_method": "auth_method"}),
        (
            {"tls_client_auth_san_dns": "s.example"},
            {"auth_method": "certificate", "certificate.thumbprint": "t", "certificate.verified": "no", "certificate.name_fits": "no"},
            {"certificate.verified": "certificate", "tls_client_auth_san_dns": "certificate_name"},
        ),
    ],
)
def test_a_certificate_that_is_missing_or_of_another_is_told(
    members: dict[str, Any], change: dict[str, str], faults: dict[str, str]
) -> None:
    registered = replace(SERVICE, token_endpoint_auth_method="tls_client_auth", **members)
    assert _faults("token", {"auth_method": "none", "grant_type": "refresh_token", **change}, registered) == faults


def test_a_missing_proof_of_possession_and_a_suspended_client_are_told() -> None:
    bound = replace(SERVICE, dpop_bound_access_tokens=True, disabled=True)
    facts = {"auth_method": "client_secret_basic", "grant_type": "refresh_token"}
    assert _faults("token", facts, bound) == {"disabled": "disabled", "DPoP": "dpop"}


def test_a_logout_is_compared_with_the_addresses_registered_for_it() -> None:
    sent = {"post_logout_redirect_uri": "https://service.example/au-revoir/"}
    assert _faults("logout", sent) == {"post_logout_redirect_uri": "post_logout_redirect_uri"}
    assert _faults("logout", {}) == {}


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_rule_says_in_both_languages_what_to_change(language: str) -> None:
    assert set(pages().messages(language).under("developers.rule")) == set(SOURCES)
