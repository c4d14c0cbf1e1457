"""``oidcc-basic-certification-test-plan`` and ``oidcc-formpost-basic-certification-test-plan``: each test of a module has its name."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from tests.conformance.suite import Suite, suite_client
from tests.idp.relying_party import public_jwks, request_claims, sign
from tests.idp.wire import CHALLENGE, CONNECT, ISSUER, REDIRECT, SECRET, VERIFIER, claims_of, running


@pytest.fixture(params=["query", "form_post"])
def suite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Suite]:
    with running(tmp_path) as wire:
        yield Suite(wire, request.param)


def _keys(suite: Suite) -> jwt.PyJWKSet:
    return jwt.PyJWKSet.from_dict(suite.wire.http.get(f"{CONNECT}/certs").json())


@pytest.mark.spec("OIDCC-3.1.3.3", "OIDCC-3.1.3.6", "OIDCC-3.1.3.7", "OIDCC-5.3.2")
def test_oidcc_server(suite: Suite) -> None:
    """A whole login: token response, the claims of the ID token and no other, at_hash, and the same sub at userinfo."""
    told = suite.answer(suite.ask(cookie=suite.wire.log_in()))
    assert (told["state"], told["iss"]) == ("s-1", ISSUER)
    tokens = suite.redeem(told["code"]).json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 120)
    claims = claims_of(tokens["id_token"])
    assert (claims["iss"], claims["aud"], claims["nonce"], claims["exp"] > claims["iat"]) == (ISSUER, "suite", "n-1", True)
    digest = hashlib.sha256(tokens["access_token"].encode()).digest()
    assert claims["at_hash"] == base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
    assert claims.keys() == {"iss", "sub", "aud", "exp", "iat", "jti", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"}
    assert suite.wire.userinfo(tokens["access_token"]).json()["sub"] == claims["sub"]


@pytest.mark.spec("OIDCC-3.1.2.6", "RFC6749-3.1.1")
def test_oidcc_response_type_missing(suite: Suite) -> None:
    """A request without response_type is answered with invalid_request at the callback."""
    assert suite.answer(suite.ask(response_type=None))["error"] == "invalid_request"


@pytest.mark.spec("OIDCC-2", "OIDCC-10.1")
def test_oidcc_idtoken_signature(suite: Suite) -> None:
    """The ID token is signed with RS256 by a published key that its kid names; PyJWT verifies it."""
    token = suite.tokens()["id_token"]
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "RS256"
    [key] = [key for key in _keys(suite).keys if key.key_id == header["kid"]]
    # The provider's clock stands in the test's own time.
    jwt.decode(token, key, ["RS256"], audience="suite", issuer=ISSUER, options={"verify_exp": False, "verify_iat": False})


@pytest.mark.spec("OIDCC-5.3.1")
def test_oidcc_userinfo_get(suite: Suite) -> None:
    """Userinfo by GET with the token in the header."""
    assert suite.wire.userinfo(suite.tokens()["access_token"]).status_code == 200


@pytest.mark.spec("OIDCC-5.3.1")
def test_oidcc_userinfo_post_header(suite: Suite) -> None:
    """Userinfo by POST with the token in the header."""
    headers = {"Authorization": f"Bearer {suite.tokens()['access_token']}"}
    assert suite.wire.http.post(f"{CONNECT}/userinfo", headers=headers).status_code == 200


@pytest.mark.spec("OIDCC-5.3.1")
def test_oidcc_userinfo_post_body(suite: Suite) -> None:
    """Userinfo by POST with the token in the form."""
    form = {"access_token": suite.tokens()["access_token"]}
    assert suite.wire.http.post(f"{CONNECT}/userinfo", data=form).status_code == 200


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(suite: Suite) -> None:
    """Without a nonce the code flow succeeds, and the ID token has none."""
    assert "nonce" not in claims_of(suite.tokens(nonce=None)["id_token"])


@pytest.mark.spec("OIDCC-5.4")
def test_oidcc_scope_profile(suite: Suite) -> None:
    """The scope profile gives its claims at userinfo, and not in the ID token."""
    tokens = suite.tokens(scope="openid profile")
    claims = suite.wire.userinfo(tokens["access_token"]).json()
    assert {"name", "given_name", "family_name", "preferred_username"} <= claims.keys()
    assert "family_name" not in claims_of(tokens["id_token"])


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_alternate_happy_flow(suite: Suite) -> None:
    """The order of scope values does not matter."""
    assert suite.tokens(scope="profile openid")["scope"] == "openid profile"


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_display_page(suite: Suite) -> None:
    """display=page is accepted."""
    assert suite.tokens(display="page")["id_token"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_display_popup(suite: Suite) -> None:
    """display=popup is accepted."""
    assert suite.tokens(display="popup")["id_token"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_prompt_login(suite: Suite) -> None:
    """prompt=login shows the login page to someone logged in, and the second ID token tells a later auth_time."""
    cookie = suite.wire.log_in()
    first = claims_of(suite.tokens(cookie=cookie)["id_token"])
    suite.wire.wall.advance(5)
    asked = suite.ask(cookie=cookie, prompt="login")
    assert "/login/" in asked.headers["location"]
    told = suite.answer(suite.log_in_again(asked, "again"))
    second = claims_of(suite.redeem(told["code"]).json()["id_token"])
    assert (second["sub"], second["auth_time"]) == (first["sub"], first["auth_time"] + 5)


@pytest.mark.spec("OIDCC-3.1.2.6")
def test_oidcc_prompt_none_not_logged_in(suite: Suite) -> None:
    """prompt=none without a session is login_required, without a page."""
    assert suite.answer(suite.ask(prompt="none"))["error"] == "login_required"


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_prompt_none_logged_in(suite: Suite) -> None:
    """prompt=none with a session succeeds, with the same sub and auth_time."""
    cookie = suite.wire.log_in()
    first = claims_of(suite.tokens(cookie=cookie)["id_token"])
    suite.wire.wall.advance(5)
    second = claims_of(suite.tokens(cookie=cookie, prompt="none")["id_token"])
    assert (second["sub"], second["auth_time"]) == (first["sub"], first["auth_time"])


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_max_age_1(suite: Suite) -> None:
    """After more than a second, max_age=1 demands another login, whose auth_time is later."""
    cookie = suite.wire.log_in()
    first = claims_of(suite.tokens(cookie=cookie)["id_token"])
    suite.wire.wall.advance(2)
    asked = suite.ask(cookie=cookie, max_age="1")
    told = suite.answer(suite.log_in_again(asked, "again"))
    assert claims_of(suite.redeem(told["code"]).json()["id_token"])["auth_time"] == first["auth_time"] + 2


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_max_age_10000(suite: Suite) -> None:
    """max_age=10000 demands no other login, and the ID token has auth_time."""
    cookie = suite.wire.log_in()
    suite.wire.wall.advance(60)
    assert claims_of(suite.tokens(cookie=cookie, max_age="10000")["id_token"])["auth_time"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ensure_request_with_unknown_parameter_succeeds(suite: Suite) -> None:
    """A parameter that nobody defined is ignored."""
    assert suite.tokens(extra="foobar")["id_token"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_id_token_hint(suite: Suite) -> None:
    """prompt=none with the ID token of the person at hand succeeds."""
    cookie = suite.wire.log_in()
    first = suite.tokens(cookie=cookie)["id_token"]
    assert claims_of(suite.tokens(cookie=cookie, prompt="none", id_token_hint=first)["id_token"])["sub"] == claims_of(first)["sub"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_login_hint(suite: Suite) -> None:
    """login_hint is accepted, and fills the field of the login page."""
    assert suite.tokens(login_hint="899700000005")["id_token"]
    asked = suite.ask(login_hint="899700000005")
    [cookie] = [line.partition(";")[0] for line in asked.headers.get_list("set-cookie") if line.startswith("veilleur_idp_login=")]
    assert 'value="899700000005"' in suite.wire.http.get(asked.headers["location"], headers={"Cookie": cookie}).text


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ui_locales(suite: Suite) -> None:
    """ui_locales is accepted, and its first known language is that of the login page."""
    assert suite.tokens(ui_locales="se en")["id_token"]
    asked = suite.ask(ui_locales="se en")
    [cookie] = [line.partition(";")[0] for line in asked.headers.get_list("set-cookie") if line.startswith("veilleur_idp_login=")]
    assert '<html lang="en"' in suite.wire.http.get(asked.headers["location"], headers={"Cookie": cookie}).text


@pytest.mark.spec("OIDCC-5.2")
def test_oidcc_claims_locales(suite: Suite) -> None:
    """claims_locales is accepted."""
    assert suite.tokens(claims_locales="se")["id_token"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ensure_request_with_acr_values_succeeds(suite: Suite) -> None:
    """acr_values that cannot be had are accepted, and the ID token tells the level that was reached."""
    assert claims_of(suite.tokens(acr_values="1 2")["id_token"])["acr"] == "eidas2"


@pytest.mark.spec("OIDCC-3.1.3.2", "RFC6749-4.1.2")
def test_oidcc_codereuse(suite: Suite) -> None:
    """A code shown a second time is invalid_grant, and the first access token ends."""
    told = suite.answer(suite.ask(cookie=suite.wire.log_in()))
    token = suite.redeem(told["code"]).json()["access_token"]
    assert suite.redeem(told["code"]).json()["error"] == "invalid_grant"
    assert suite.wire.userinfo(token).status_code == 401


@pytest.mark.spec("OIDCC-3.1.3.2", "RFC6749-4.1.2")
def test_oidcc_codereuse_30seconds(suite: Suite) -> None:
    """The same half a minute later."""
    told = suite.answer(suite.ask(cookie=suite.wire.log_in()))
    token = suite.redeem(told["code"]).json()["access_token"]
    suite.wire.wall.advance(30)
    assert suite.redeem(told["code"]).json()["error"] == "invalid_grant"
    assert suite.wire.userinfo(token).status_code == 401


@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.2.6")
def test_oidcc_ensure_registered_redirect_uri(suite: Suite) -> None:
    """An address that is not registered gets a page, never a redirect."""
    refused = suite.ask(cookie=suite.wire.log_in(), redirect_uri=f"{REDIRECT}/autre")
    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert "redirect_uri" in refused.text


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ensure_post_request_succeeds(suite: Suite) -> None:
    """The authorization request by POST."""
    told = suite.answer(suite.ask(cookie=suite.wire.log_in(), method="POST"))
    assert suite.redeem(told["code"]).status_code == 200


@pytest.mark.spec("OIDCC-9")
def test_oidcc_server_client_secret_post(suite: Suite) -> None:
    """A whole login of a client that proves itself in the body."""
    told = suite.answer(suite.ask(cookie=suite.wire.log_in(), client_id="posting"))
    form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": REDIRECT}
    assert suite.wire.post("token", None, client_id="posting", client_secret=SECRET, **form).json()["id_token"]


@pytest.mark.spec("OIDCC-6.2", "OIDCC-3.1.2.6")
def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(suite: Suite) -> None:
    """An address of a request object that is not registered is request_uri_not_supported; nothing is fetched, nothing ignored."""
    told = suite.answer(suite.ask(cookie=suite.wire.log_in(), request_uri="https://service.example/objet"))
    assert told["error"] == "request_uri_not_supported"


@pytest.mark.spec("OIDCC-6.1", "OIDCC-3.1.2.6")
def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(suite: Suite) -> None:
    """A request object with alg none is refused as request_not_supported by a client without keys, and never ignored."""
    unsigned = "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9."
    told = suite.answer(suite.ask(cookie=suite.wire.log_in(), request=unsigned))
    assert told["error"] == "request_not_supported"


@pytest.mark.spec("OIDCC-5.5")
def test_oidcc_claims_essential(suite: Suite) -> None:
    """An essential name asked of userinfo by the claims parameter is there as far as the scope goes."""
    tokens = suite.tokens(scope="openid profile", claims='{"userinfo":{"name":{"essential":true}}}')
    assert suite.wire.userinfo(tokens["access_token"]).json()["name"]


@pytest.mark.spec("OIDCC-6.1")
def test_oidcc_ensure_request_object_with_redirect_uri(suite: Suite) -> None:
    """The redirect_uri of a signed request object counts, whatever stands outside."""
    suite.register(replace(suite_client("signing"), jwks=public_jwks("RS256")))
    outside = "https://service.example/autre?a=1"
    mode = {} if suite.mode == "query" else {"response_mode": suite.mode}
    signed = sign(request_claims("signing", code_challenge=None, code_challenge_method=None, **mode), alg="RS256")
    told = suite.answer(suite.ask(cookie=suite.wire.log_in(), client_id="signing", redirect_uri=outside, request=signed))
    assert told["state"] == "signed-state"


@pytest.mark.spec("OIDCC-12", "RFC6749-6")
def test_oidcc_refresh_token(suite: Suite) -> None:
    """A refresh gives tokens of the same login, and a refresh token is nothing to another client."""
    tokens = suite.tokens()
    assert suite.wire.refresh(tokens["refresh_token"], "second").json()["error"] == "invalid_grant"
    refreshed = suite.wire.refresh(tokens["refresh_token"], "suite").json()
    before, after = claims_of(tokens["id_token"]), claims_of(refreshed["id_token"])
    assert [before[name] == after[name] for name in ("iss", "sub", "aud", "auth_time")] == [True] * 4


@pytest.mark.spec("RFC7636-4.6")
def test_oidcc_ensure_request_with_valid_pkce_succeeds(suite: Suite) -> None:
    """PKCE with S256."""
    told = suite.answer(suite.ask(cookie=suite.wire.log_in(), code_challenge=CHALLENGE, code_challenge_method="S256"))
    assert suite.wire.redeem(told["code"], "suite", code_verifier=VERIFIER).status_code == 200
