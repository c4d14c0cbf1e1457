"""The modules of the two FAPI 2.0 plans (see ``test_fapi2.py``) about who proves what at the token endpoint, and with what is pushed."""

from typing import Any

import pytest

from tests.conformance.fapi import PUSH, Fapi, refused
from tests.idp.dpop_proofs import TOKEN, USERINFO, ClientKey, b64, forged
from tests.idp.wire import ISSUER, claims_of

OTHER_KEY = ClientKey()


@pytest.mark.spec("RFC6749-5.2", "RFC7523-3")
def test_fapi2_security_profile_final_ensure_client_id_in_token_endpoint(fapi: Fapi, second: Fapi) -> None:
    """Who names another client, or proves itself as another with its own key, gets nothing for its code."""
    refused(fapi.redeem(fapi.code(), client_id="fapi-second"), "invalid_client", "invalid_grant", "invalid_request")
    refused(fapi.redeem(fapi.code(), assertion=second.assertion(key="stolen")), "invalid_client", "invalid_grant")


@pytest.mark.spec("FAPI2SP-5.3.2.1", "RFC9449-5")
def test_fapi2_security_profile_final_ensure_holder_of_key_required(fapi: Fapi) -> None:
    """Without a proof of possession there is no token."""
    refused(fapi.redeem(fapi.code(), proof=None), "invalid_dpop_proof", "invalid_request", "invalid_grant")


@pytest.mark.spec("RFC6749-4.1.3", "FAPI2SP-5.3.2.2")
def test_fapi2_security_profile_final_ensure_authorization_code_is_bound_to_client(fapi: Fapi, second: Fapi) -> None:
    """A code of one client is worth nothing to another that proves itself well."""
    refused(second.redeem(fapi.code()), "invalid_grant")


@pytest.mark.spec("RFC6749-4.1.2", "FAPI2SP-5.3.2.2")
def test_fapi2_security_profile_final_attempt_reuse_authorization_code_after_one_second(fapi: Fapi) -> None:
    """A code shown again a second later is refused, and its token ends."""
    code = fapi.code()
    token = fapi.redeem(code).json()["access_token"]
    fapi.wire.wall.advance(1)
    refused(fapi.redeem(code), "invalid_grant")
    assert fapi.userinfo(token).status_code == 401


@pytest.mark.spec("FAPI2SP-5.3.2.1")
def test_fapi2_security_profile_final_ensure_token_endpoint_fails_with_expired_auth_code(fapi: Fapi) -> None:
    """A code that is older than a minute is worth nothing."""
    code = fapi.code()
    fapi.wire.wall.advance(61)
    refused(fapi.redeem(code), "invalid_grant")


@pytest.mark.spec("FAPI2SP-5.3.2.1", "FAPI2SP-5.4.1", "RFC7523-3")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"alg": "RS256"}, id="fapi2-security-profile-final-ensure-signed-client-assertion-with-RS256-fails"),
        pytest.param({"exp": -300}, id="fapi2-security-profile-final-ensure-client-assertion-with-exp-is-5-minutes-in-past-fails"),
        pytest.param({"aud": "https://other.example"}, id="fapi2-security-profile-final-ensure-client-assertion-with-wrong-aud-fails"),
        pytest.param({"sub": None}, id="fapi2-security-profile-final-ensure-client-assertion-with-no-sub-fails"),
    ],
)
def test_an_assertion_at_fault_proves_nobody(fapi: Fapi, changes: dict[str, Any]) -> None:
    """An assertion that is signed with RS256, old, for somebody else, or about nobody proves no client at the token endpoint."""
    given = {name: fapi.at + value if isinstance(value, int) else value for name, value in changes.items()}
    refused(fapi.redeem(fapi.code(), assertion=fapi.assertion(**given)), "invalid_client")


@pytest.mark.spec("RFC6749-3.2.1")
def test_fapi2_security_profile_final_ensure_client_assertion_in_token_endpoint(fapi: Fapi) -> None:
    """A client that only says who it is gets nothing."""
    refused(fapi.redeem(fapi.code(), assertion={"client_id": "fapi"}), "invalid_client")


@pytest.mark.spec("RFC9449-4.2", "RFC9449-4.3", "RFC9449-7.1", "RFC9449-11.1")
def test_fapi2_security_profile_final_dpop_negative_tests(fapi: Fapi) -> None:
    """At userinfo: what a proof must say, be signed with and be shown with, each at fault once; and spellings that change nothing."""
    token = fapi.tokens()["access_token"]

    def proof(**given: Any) -> str:
        return fapi.proof(USERINFO, "GET", **{"token": token, **given})

    sound = proof()
    head, _, signature = sound.rpartition(".")
    private = {**fapi.key.jwk, "d": "AA"}
    faults = [
        "not.a.proof",
        f"{sound},{proof()}",
        f"{head}.{b64(bytes(64))}",
        forged({"typ": "dpop+jwt", "alg": "none", "jwk": fapi.key.jwk}, claims_of(sound), b""),
        *(proof(header=header) for header in ({"typ": None}, {"typ": "JWT"}, {"jwk": None}, {"jwk": private}, {"jwk": OTHER_KEY.jwk})),
        *(proof(**{name: None}) for name in ("jti", "htm", "htu", "iat", "ath")),
        *(proof(htm="PUT"), proof(htu=TOKEN), proof(iat=fapi.at + 3600), proof(iat=fapi.at - 3600), proof(ath=b64(bytes(32)))),
        proof(by=OTHER_KEY),
    ]
    assert signature
    for fault in faults:
        refused(fapi.userinfo(token, proof=fault), "invalid_dpop_proof", "invalid_token", "use_dpop_nonce")
    once = proof(jti="the-same")
    assert [fapi.userinfo(token, proof=once).status_code for _ in range(2)] == [200, 401]
    assert fapi.userinfo(token, proof=None).status_code == 401
    assert fapi.userinfo(token, proof=None, scheme="Bearer").status_code == 401
    for htu in (f"{USERINFO}?a=1#b", USERINFO.replace("http:", "HTTP:"), USERINFO.replace("/userinfo", "/./userinfo")):
        assert fapi.userinfo(token, proof=proof(htu=htu)).status_code == 200
    assert fapi.userinfo(token, proof=proof(tx_id_key=1, header={"extra": "1"})).status_code == 200
    assert fapi.userinfo(token).status_code == 200


@pytest.mark.spec("FAPI2SP-5.3.2.1", "RFC6749-10.4")
def test_fapi2_security_profile_final_refresh_token(fapi: Fapi, second: Fapi) -> None:
    """A refresh token goes on without rotation, for its own client alone, and each time with a proof."""
    value = fapi.tokens()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": value}
    refused(second.token(**form), "invalid_grant")
    refused(fapi.token(**form, proof=None), "invalid_dpop_proof", "invalid_request", "invalid_grant")
    refused(fapi.token(**form, assertion={"client_id": "fapi"}), "invalid_client")
    for _ in range(2):
        again = fapi.token(**form)
        assert again.status_code == 200, again.text
        assert again.json().get("refresh_token", value) == value
    assert fapi.userinfo(again.json()["access_token"]).status_code == 200


@pytest.mark.spec("FAPI2SP-5.3.2.2")
def test_fapi2_security_profile_final_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds(fapi: Fapi) -> None:
    """The page of a pushed request may be left and loaded again; the login of the second visit succeeds."""
    pushed = fapi.push()
    first = fapi.bring(pushed, cookie="")
    browser = first.headers["set-cookie"].partition(";")[0]
    assert "/login/" in first.headers["location"]
    assert "/login/" in fapi.bring(pushed, cookie=browser).headers["location"]
    assert "code" in fapi.answer(fapi.bring(pushed, cookie=f"{browser}; {fapi.wire.log_in()}"))


@pytest.mark.spec("RFC9126-7.3")
def test_fapi2_security_profile_final_par_attempt_reuse_request_uri(fapi: Fapi) -> None:
    """Once its client has a code, a pushed request is unknown."""
    pushed = fapi.push()
    assert "code" in fapi.answer(fapi.bring(pushed))
    refused_again = fapi.bring(pushed)
    assert (refused_again.status_code, "location" in refused_again.headers) == (400, False)


@pytest.mark.spec("RFC9126-2.2")
def test_fapi2_security_profile_final_par_attempt_to_use_expired_request_uri(fapi: Fapi) -> None:
    """A pushed request that is older than it was said to live is unknown."""
    pushed = fapi.push()
    fapi.wire.wall.advance(pushed.json()["expires_in"])
    assert fapi.bring(pushed).status_code == 400


@pytest.mark.spec("RFC9126-2.2")
def test_fapi2_security_profile_final_par_attempt_to_use_request_uri_for_different_client(fapi: Fapi, second: Fapi) -> None:
    """A pushed request is nothing to another client."""
    assert second.bring(fapi.push()).status_code == 400


@pytest.mark.spec("RFC9101-5", "RFC9126-4")
def test_fapi2_security_profile_final_par_without_duplicate_parameters(fapi: Fapi) -> None:
    """client_id and request_uri are enough at the authorization endpoint."""
    assert "code" in fapi.answer(fapi.bring(fapi.push()))


@pytest.mark.spec("RFC9126-2.1")
def test_fapi2_security_profile_final_par_attempt_invalid_http_method(fapi: Fapi) -> None:
    """Requests are pushed by POST alone."""
    assert [fapi.wire.http.request(method, PUSH).status_code for method in ("GET", "PUT", "DELETE")] == [405] * 3


@pytest.mark.spec("FAPI2SP-5.3.2.1")
@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        pytest.param(8, 201, id="fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted"),
        pytest.param(70, 401, id="fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails"),
    ],
)
def test_the_clock_of_an_assertion_may_be_a_little_ahead(fapi: Fapi, seconds: int, status: int) -> None:
    """An assertion eight seconds ahead of our clock proves the client, one of more than a minute does not."""
    ahead = fapi.at + seconds
    assert fapi.push(assertion=fapi.assertion(iat=ahead, nbf=ahead, exp=ahead + 60)).status_code == status


@pytest.mark.spec("RFC7636-4.6", "FAPI2SP-5.3.2.2")
@pytest.mark.parametrize(
    "verifier",
    [
        pytest.param(None, id="fapi2-security-profile-final-ensure-pkce-code-verifier-required"),
        pytest.param("x" * 43, id="fapi2-security-profile-final-incorrect-pkce-code-verifier-rejected"),
    ],
)
def test_a_code_needs_its_verifier(fapi: Fapi, verifier: str | None) -> None:
    """A code without its verifier, or with another, is refused."""
    refused(fapi.redeem(fapi.code(), code_verifier=verifier), "invalid_grant", "invalid_request")


@pytest.mark.spec("FAPI2SP-5.3.2.1", "RFC7523-3")
@pytest.mark.parametrize(
    "audience",
    [
        pytest.param([ISSUER, TOKEN], id="fapi2-security-profile-final-par-test-array-as-audience-fails"),
        pytest.param(PUSH, id="fapi2-security-profile-final-par-test-par-endpoint-url-as-audience-fails"),
        pytest.param(TOKEN, id="fapi2-security-profile-final-par-test-token-endpoint-url-as-audience-fails"),
    ],
)
def test_an_assertion_is_for_the_issuer_alone(fapi: Fapi, audience: object) -> None:
    """An assertion whose audience is an endpoint, or a list, proves nobody where requests are pushed."""
    refused(fapi.push(assertion=fapi.assertion(aud=audience)), "invalid_client")
