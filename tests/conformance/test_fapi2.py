"""``fapi2-security-profile-final-test-plan`` and ``fapi2-message-signing-final-test-plan``: each test of a module has its name.

The plans share their modules: what concerns a signed request is asked of a client that signs, the rest of one that does not.
"""

from typing import Any

import jwt
import pytest

from tests.conformance.fapi import PUSH, Fapi, refused
from tests.idp.dpop_proofs import USERINFO, ClientKey, b64, forged
from tests.idp.endpoints.login_flow import csrf_of
from tests.idp.wire import CONNECT, ISSUER, REDIRECT, VERIFIER, Wire, claims_of

OTHER_KEY = ClientKey()


@pytest.mark.spec("FAPI2SP-5.3.2.1", "FAPI2MS-5.3.1", "RFC8414-2")
def test_fapi2_security_profile_final_discovery_end_point_verification(shared: Wire) -> None:
    """Discovery announces pushed requests, S256, proofs, signed answers, and nothing of what the profile forbids."""
    told = shared.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert told["pushed_authorization_request_endpoint"] == PUSH
    assert told["authorization_response_iss_parameter_supported"] is True
    assert (told["response_types_supported"], told["code_challenge_methods_supported"]) == (["code"], ["S256"])
    assert "private_key_jwt" in told["token_endpoint_auth_methods_supported"]
    assert {"ES256", "PS256"} == set(told["dpop_signing_alg_values_supported"])
    assert "jwt" in told["response_modes_supported"]
    assert "none" not in told["request_object_signing_alg_values_supported"]
    assert "ES256" in told["authorization_signing_alg_values_supported"]


@pytest.mark.spec("FAPI2SP-5.3.2.1", "FAPI2SP-5.3.2.2", "FAPI2MS-5.3.1", "FAPI2MS-5.4.1")
def test_fapi2_security_profile_final_happy_flow(fapi: Fapi, signer: Fapi) -> None:
    """A whole login of a client that signs and of one that does not: a token bound to the key, a sound ID token, userinfo."""
    keys = jwt.PyJWKSet.from_dict(fapi.wire.http.get(f"{CONNECT}/certs").json())
    for party in (fapi, signer):
        tokens = party.tokens(nonce="n-happy")
        assert tokens["token_type"] == "DPoP"
        header = jwt.get_unverified_header(tokens["id_token"])
        checks = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
        told = jwt.decode(tokens["id_token"], keys[header["kid"]], ["ES256"], audience=party.client_id, issuer=ISSUER, options=checks)  # type: ignore[arg-type]
        assert (header["alg"], told["nonce"]) == ("ES256", "n-happy")
        assert party.userinfo(tokens["access_token"]).json()["sub"] == told["sub"]


@pytest.mark.spec("RFC6749-4.1.2.1", "RFC9207-2")
def test_fapi2_security_profile_final_user_rejects_authentication(fapi: Fapi) -> None:
    """Who cancels goes back to the service, which hears access_denied and from whom."""
    page = fapi.bring(fapi.push(), cookie="")
    path, http = page.headers["location"], fapi.wire.http
    cookie = page.headers["set-cookie"].partition(";")[0]
    http.cookies.clear()
    form = {"csrf": csrf_of(http.get(path, headers={"Cookie": cookie}).text)}
    told = fapi.answer(http.post(f"{path}/cancel", data=form, headers={"Cookie": cookie}, follow_redirects=False))
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "signed-state", ISSUER)


@pytest.mark.spec("RFC9101-4")
def test_fapi2_security_profile_final_ensure_request_object_with_multiple_aud_succeeds(signer: Fapi) -> None:
    """A request object may be for others too, as long as it is for us."""
    assert signer.push(aud=["https://other.example", ISSUER]).status_code == 201


@pytest.mark.spec("RFC6749-4.1.2")
def test_fapi2_security_profile_final_ensure_authorization_request_without_state_success(fapi: Fapi) -> None:
    """Without a state there is none in the answer, and no s_hash."""
    told = fapi.answer(fapi.bring(fapi.push(state=None)))
    assert "state" not in told
    assert "s_hash" not in claims_of(fapi.redeem(told["code"]).json()["id_token"])


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_fapi2_security_profile_final_ensure_authorization_request_without_nonce_success(fapi: Fapi) -> None:
    """Without a nonce the login succeeds, and the ID token has none."""
    assert "nonce" not in claims_of(fapi.tokens(nonce=None)["id_token"])


@pytest.mark.spec("FAPI2SP-5.3.2.2")
def test_fapi2_security_profile_final_ensure_authorization_request_with_64_char_nonce_success(fapi: Fapi) -> None:
    """A nonce of 64 characters comes back whole."""
    assert claims_of(fapi.tokens(nonce="n" * 64)["id_token"])["nonce"] == "n" * 64


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_fapi2_security_profile_final_ensure_authorization_request_with_long_nonce(fapi: Fapi) -> None:
    """So does one of 384."""
    assert claims_of(fapi.tokens(nonce="n" * 384)["id_token"])["nonce"] == "n" * 384


@pytest.mark.spec("RFC6749-4.1.2")
def test_fapi2_security_profile_final_ensure_authorization_request_with_long_state(fapi: Fapi) -> None:
    """So does a state of a thousand characters."""
    assert fapi.answer(fapi.bring(fapi.push(state="s" * 1000)))["state"] == "s" * 1000


@pytest.mark.spec("RFC6749-3.3")
def test_fapi2_security_profile_final_ensure_other_scope_order_succeeds(fapi: Fapi) -> None:
    """The order of scope values does not matter."""
    assert set(fapi.tokens(scope="profile openid")["scope"].split()) == {"openid", "profile"}


@pytest.mark.spec("OIDCC-5.5")
def test_fapi2_security_profile_final_test_claims_parameter_identity_claims(fapi: Fapi) -> None:
    """Names asked of the ID token by the claims parameter are there, as far as the scope goes."""
    told = claims_of(fapi.tokens(scope="openid profile", claims='{"id_token": {"given_name": {"essential": true}}}')["id_token"])
    assert (told["given_name"], "family_name" in told) == ("CAMILLE", False)


@pytest.mark.spec("RFC9449-7.1", "RFC9110-11.1")
def test_fapi2_security_profile_final_access_token_type_header_case_sensitivity(fapi: Fapi) -> None:
    """The scheme of a token is the same in small and in capital letters."""
    token = fapi.tokens()["access_token"]
    assert [fapi.userinfo(token, scheme=scheme).status_code for scheme in ("DPoP", "dpop", "DPOP")] == [200] * 3


@pytest.mark.spec("FAPI2SP-5.3.2.1")
def test_fapi2_security_profile_final_ensure_request_object_with_nbf_8_seconds_in_the_future_is_accepted(signer: Fapi) -> None:
    """A clock that is eight seconds ahead is no fault of a request object."""
    assert signer.push(nbf=signer.at + 8, iat=signer.at + 8).status_code == 201


@pytest.mark.spec("RFC9449-4.2")
def test_fapi2_security_profile_final_check_dpop_proof_nbf_exp(fapi: Fapi) -> None:
    """A proof may have nbf and exp besides iat."""
    times = {"nbf": fapi.at, "exp": fapi.at + 300}
    token = fapi.redeem(fapi.code(), proof=fapi.proof(**times)).json()["access_token"]
    assert fapi.userinfo(token, proof=fapi.proof(USERINFO, "GET", token, **times)).status_code == 200


@pytest.mark.spec("FAPI2SP-5.3.2.1", "RFC9449-11.1")
@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(-10, id="fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-before-succeeds"),
        pytest.param(10, id="fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-after-succeeds"),
    ],
)
def test_a_proof_may_be_ten_seconds_away(fapi: Fapi, seconds: int) -> None:
    """A proof made by a clock that is ten seconds off counts at each endpoint."""
    iat = fapi.at + seconds
    token = fapi.redeem(fapi.code(proof=fapi.proof(PUSH, iat=iat)), proof=fapi.proof(iat=iat)).json()["access_token"]
    assert fapi.userinfo(token, proof=fapi.proof(USERINFO, "GET", token, iat=iat)).status_code == 200


@pytest.mark.spec("RFC9449-10.1")
def test_fapi2_security_profile_final_ensure_mismatched_dpop_jkt_fails(fapi: Fapi) -> None:
    """A proof beside a pushed request and its dpop_jkt must name one key."""
    refused(fapi.push(proof=fapi.proof(PUSH), dpop_jkt=OTHER_KEY.jkt), "invalid_dpop_proof")


@pytest.mark.spec("RFC9449-10", "RFC9449-10.1")
@pytest.mark.parametrize(
    "by_proof",
    [
        pytest.param(True, id="fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt"),
        pytest.param(False, id="fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-jkt"),
    ],
)
def test_a_code_bound_to_a_key_is_worth_nothing_with_another(fapi: Fapi, by_proof: bool) -> None:
    """A code that was bound with the pushed request, by a proof or by dpop_jkt, is refused to another key."""
    code = fapi.code(proof=fapi.proof(PUSH)) if by_proof else fapi.code(dpop_jkt=fapi.key.jkt)
    refused(fapi.redeem(code, proof=fapi.proof(by=OTHER_KEY)), "invalid_grant", "invalid_dpop_proof")


@pytest.mark.spec("RFC9449-10", "RFC9449-10.1")
@pytest.mark.parametrize(
    "by_jkt",
    [
        pytest.param(False, id="fapi2-security-profile-final-ensure-dpopproof-at-par-endpoint-binding-success"),
        pytest.param(True, id="fapi2-security-profile-final-ensure-dpop-auth-code-binding-success"),
    ],
)
def test_a_code_bound_to_a_key_is_redeemed_with_it(fapi: Fapi, by_jkt: bool) -> None:
    """A code that was bound with the pushed request is redeemed by that key."""
    bound = {"dpop_jkt": fapi.key.jkt} if by_jkt else {}
    assert fapi.redeem(fapi.code(proof=fapi.proof(PUSH), **bound)).status_code == 200


@pytest.mark.spec("RFC9101-6.3", "RFC9126-4")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("nonce", id="fapi2-security-profile-final-ensure-different-nonce-inside-and-outside-request-object"),
        pytest.param("state", id="fapi2-security-profile-final-ensure-different-state-inside-and-outside-request-object"),
    ],
)
def test_what_stands_outside_does_not_count(fapi: Fapi, signer: Fapi, name: str) -> None:
    """What was pushed, signed or not, counts; what the address says besides does not."""
    for party in (fapi, signer):
        told = party.answer(party.bring(party.push(), **{name: "added"}))
        inside = claims_of(party.redeem(told["code"]).json()["id_token"]) if name == "nonce" else told
        assert inside[name] == f"signed-{name}"


@pytest.mark.spec("RFC9101-6.3")
def test_fapi2_security_profile_final_state_only_outside_request_object_not_used(signer: Fapi) -> None:
    """A state that stands outside alone is no state."""
    assert "state" not in signer.answer(signer.bring(signer.push(state=None), state="added"))


@pytest.mark.spec("FAPI2MS-5.3.1", "FAPI2SP-5.4.1", "RFC9101-10.8")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"exp": None}, id="fapi2-security-profile-final-ensure-request-object-without-exp-fails"),
        pytest.param({"nbf": None}, id="fapi2-security-profile-final-ensure-request-object-without-nbf-fails"),
        pytest.param({"redirect_uri": None}, id="fapi2-security-profile-final-ensure-request-object-without-redirect-uri-fails"),
        pytest.param({"exp": -300}, id="fapi2-security-profile-final-ensure-expired-request-object-fails"),
        pytest.param({"aud": "https://other.example"}, id="fapi2-security-profile-final-ensure-request-object-with-bad-aud-fails"),
        pytest.param({"exp": 70 * 60}, id="fapi2-security-profile-final-ensure-request-object-with-exp-over-60-fails"),
        pytest.param({"nbf": -70 * 60}, id="fapi2-security-profile-final-ensure-request-object-with-nbf-over-60-fails"),
        pytest.param({"alg": "RS256"}, id="fapi2-security-profile-final-ensure-signed-request-object-with-RS256-fails"),
        pytest.param({"key": "stolen"}, id="fapi2-security-profile-final-ensure-matching-key-in-authorization-request"),
        pytest.param({"request_uri": "urn:x"}, id="fapi2-security-profile-final-par-authorization-request-containing-request_uri"),
    ],
)
def test_a_request_object_at_fault_isrefused(signer: Fapi, changes: dict[str, Any]) -> None:
    """A pushed request object that is not whole, of now, for us, and signed by this client as the profile allows, is refused."""
    times = {name: signer.at + value if isinstance(value, int) else value for name, value in changes.items()}
    refused(signer.push(**times), "invalid_request_object", "invalid_request")


@pytest.mark.spec("RFC8725-3.1", "RFC9101-6.2")
@pytest.mark.parametrize(
    "unsigned",
    [
        pytest.param(True, id="fapi2-security-profile-final-ensure-request-object-signature-algorithm-is-not-none"),
        pytest.param(False, id="fapi2-security-profile-final-ensure-request-object-with-invalid-signature-fails"),
    ],
)
def test_a_request_object_without_its_signature_isrefused(signer: Fapi, unsigned: bool) -> None:
    """A request object that is not signed, or whose signature does not hold, is refused."""
    value = signer.request_object()
    head, _, signature = value.rpartition(".")
    broken = forged({"alg": "none"}, claims_of(value), b"") if unsigned else f"{head}.{b64(bytes(64))}"
    assert broken != f"{head}.{signature}"
    refused(signer.push(request=broken), "invalid_request_object")


@pytest.mark.spec("FAPI2MS-5.3.1", "RFC9101-10.5")
def test_fapi2_security_profile_final_ensure_unsigned_request_at_par_endpoint_fails(signer: Fapi) -> None:
    """A client that must sign pushes nothing unsigned."""
    signer.signs = False
    refused(signer.push(), "invalid_request", "invalid_request_object")


@pytest.mark.spec("RFC9126-2.4")
def test_fapi2_security_profile_final_plain_fapi_tolerate_unregistered_redirect_uri(fapi: Fapi) -> None:
    """An address that is not registered is refused when it is pushed: the tolerance that RFC 9126 allows is not used."""
    refused(fapi.push(redirect_uri=f"{REDIRECT}/added"), "invalid_request")


@pytest.mark.spec("FAPI2SP-5.3.2.2")
def test_fapi2_security_profile_final_ensure_unsigned_authorization_request_without_using_par_fails(fapi: Fapi) -> None:
    """A request that was not pushed is refused."""
    assert fapi.answer(fapi.wire.authorize("fapi", cookie=fapi.wire.log_in()))["error"] == "invalid_request"


@pytest.mark.spec("FAPI2SP-5.3.2.2", "RFC9126-2.1")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param(
            {"redirect_uri": None}, "invalid_request", id="fapi2-security-profile-final-ensure-redirect-uri-in-authorization-request"
        ),
        pytest.param(
            {"response_type": "code id_token"},
            "unsupported_response_type",
            id="fapi2-security-profile-final-ensure-response-type-code-idtoken-fails",
        ),
        pytest.param(
            {"response_type": "token"}, "unsupported_response_type", id="fapi2-security-profile-final-ensure-response-type-token-fails"
        ),
        pytest.param(
            {"code_challenge": None, "code_challenge_method": None},
            "invalid_request",
            id="fapi2-security-profile-final-par-ensure-pkce-required",
        ),
        pytest.param(
            {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
            "invalid_request",
            id="fapi2-security-profile-final-par-plain-pkce-rejected",
        ),
        pytest.param(
            {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
            "invalid_request",
            id="fapi2-security-profile-final-par-authorization-request-containing-request_uri-form-param",
        ),
    ],
)
def test_a_pushed_request_at_fault_isrefused(fapi: Fapi, changes: dict[str, str | None], error: str) -> None:
    """What the profile does not allow is refused when it is pushed."""
    refused(fapi.push(**changes), error)
