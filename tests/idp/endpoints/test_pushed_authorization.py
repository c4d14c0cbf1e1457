"""The endpoint of RFC 9126 over the wire, and what a browser then brings."""

from typing import Any

import pytest

from idp.model import Profile
from tests.idp.dpop_proofs import ClientKey, redeem
from tests.idp.relying_party import public_jwks, request_claims, sign
from tests.idp.wire import BASE, CHALLENGE, CONNECT, ISSUER, REDIRECT, SECRET, START, Wire, client, query_of

ASKED = {
    "response_type": "code",
    "redirect_uri": REDIRECT,
    "scope": "openid",
    "state": "pushed-state",
    "nonce": "n-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
PUSH = f"{CONNECT}/ext/par/request"
KEY, OTHER = ClientKey(), ClientKey()
AT = int(START.timestamp())


@pytest.fixture(autouse=True)
def _clients(wire: Wire) -> None:
    for registered in (
        client("pushes", require_pushed_authorization_requests=True),
        client("signs", jwks=public_jwks()),
        client("fapi", jwks=public_jwks(), profile=Profile.FAPI2, token_endpoint_auth_method="private_key_jwt"),
    ):
        wire.register(registered)


def _push(wire: Wire, client_id: str | None = "baseline", /, **changes: str | None) -> Any:
    return wire.post("ext/par/request", client_id, **{**ASKED, **changes})


def _push_proved(wire: Wire, proof: str, client_id: str = "baseline", **changes: str) -> Any:
    return wire.http.post(PUSH, data={**ASKED, **changes}, auth=(client_id, SECRET), headers={"DPoP": proof})


def _bring(wire: Wire, client_id: str, request_uri: str, *, cookie: str = "", **more: str) -> Any:
    headers = {"Cookie": cookie} if cookie else {}
    wire.http.cookies.clear()
    params = {"client_id": client_id, "request_uri": request_uri, **more}
    return wire.http.get(f"{BASE}/auth", params=params, headers=headers, follow_redirects=False)


@pytest.mark.spec("RFC9126-2.1", "RFC9126-2.2", "RFC9126-4", "FAPI2SP-5.3.2.2")
def test_a_pushed_request_leads_to_a_code(wire: Wire) -> None:
    answer = _push(wire)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == {"request_uri", "expires_in"}
    assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert 60 <= body["expires_in"] <= 90
    back = query_of(_bring(wire, "baseline", body["request_uri"], cookie=wire.log_in(), state="added"))
    assert (back["state"], back["iss"]) == ("pushed-state", ISSUER)
    assert wire.redeem(back["code"]).status_code == 200
    (event,) = wire.events("authorization.pushed")
    assert event["health.relying_party.id"] == "baseline"


def _login_cookie(answer: Any) -> str:
    [line] = [line for line in answer.headers.get_list("set-cookie") if line.startswith("veilleur_idp_login=")]
    return str(line.partition(";")[0])


@pytest.mark.spec("RFC9126-4", "RFC9126-7.3")
def test_it_waits_for_a_login_and_goes_on_with_what_was_pushed(wire: Wire) -> None:
    answer = _bring(wire, "baseline", _push(wire).json()["request_uri"])
    assert answer.status_code == 303
    assert "/login/" in answer.headers["location"]
    interaction_id = answer.headers["location"].rpartition("/")[2]
    stored = wire.call(lambda provider: provider.store.interactions.get(interaction_id, provider.clock()))
    assert stored is not None
    assert stored.request["state"] == "pushed-state"


@pytest.mark.spec("RFC9126-4", "RFC9126-7.3", "FAPI2SP-5.3.2.2")
def test_its_page_may_be_loaded_again_until_the_client_is_answered(wire: Wire) -> None:
    request_uri = _push(wire).json()["request_uri"]
    first = _bring(wire, "baseline", request_uri)
    browser = _login_cookie(first)
    again = _bring(wire, "baseline", request_uri, cookie=browser)
    assert "/login/" in again.headers["location"]
    assert again.headers["location"] != first.headers["location"]
    both = f"{browser}; {wire.log_in()}"
    resumed = [_resume(wire, answer, both) for answer in (again, first)]
    assert "code" in query_of(resumed[0])
    assert _is_page(resumed[1]), "its client has been answered"
    assert _is_page(_bring(wire, "baseline", request_uri, cookie=both))


@pytest.mark.spec("RFC9126-4")
def test_a_login_that_began_in_time_ends_well_and_a_page_is_not_loaded_late(wire: Wire) -> None:
    request_uri = _push(wire).json()["request_uri"]
    begun = _bring(wire, "baseline", request_uri)
    wire.wall.advance(90)
    wire.call(lambda provider: provider.store.expire(provider.clock()))
    both = f"{_login_cookie(begun)}; {wire.log_in()}"
    assert _is_page(_bring(wire, "baseline", request_uri, cookie=both))
    assert "code" in query_of(_resume(wire, begun, both))


@pytest.mark.spec("RFC9126-4", "RFC9126-7.3")
def test_it_counts_once_for_its_client_and_for_ninety_seconds(wire: Wire) -> None:
    cookie = wire.log_in()
    request_uri = _push(wire).json()["request_uri"]
    assert _is_page(_bring(wire, "other", request_uri, cookie=cookie))
    assert "code" in query_of(_bring(wire, "baseline", request_uri, cookie=cookie))
    assert _is_page(_bring(wire, "baseline", request_uri, cookie=cookie))
    late = _push(wire).json()["request_uri"]
    wire.wall.advance(90)
    assert _bring(wire, "baseline", late, cookie=cookie).status_code == 400
    told = query_of(_bring(wire, "baseline", late, cookie=cookie, redirect_uri=REDIRECT, state="s"))
    assert (told["error"], told["state"]) == ("invalid_request_uri", "s")


@pytest.mark.spec("RFC9126-7.3", "OIDCC-3.1.2.6")
def test_a_no_spends_it_as_a_code_does(wire: Wire) -> None:
    request_uri = _push(wire, prompt="none").json()["request_uri"]
    assert query_of(_bring(wire, "baseline", request_uri))["error"] == "login_required"
    assert _is_page(_bring(wire, "baseline", request_uri, cookie=wire.log_in()))


def _resume(wire: Wire, begun: Any, cookie: str) -> Any:
    wire.http.cookies.clear()
    path = begun.headers["location"].replace("/login/", "/auth/resume/")
    return wire.http.get(path, headers={"Cookie": cookie}, follow_redirects=False)


def _is_page(answer: Any) -> bool:
    return (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.spec("RFC9126-2.1", "FAPI2SP-5.3.2.2")
def test_the_client_must_prove_itself(wire: Wire) -> None:
    assert _push(wire, None, client_id="baseline").json()["error"] == "invalid_client"
    wrong = wire.http.post(f"{CONNECT}/ext/par/request", data=ASKED, auth=("baseline", "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert _push(wire, "baseline", client_id="other").json()["error"] == "invalid_client"
    assert _push(wire, "machine").json()["error"] == "unauthorized_client"
    assert _push(wire, None, client_id="public").status_code == 201


@pytest.mark.spec("RFC9126-2.1", "RFC9126-2.3")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "openid sessions:read"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "x"}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
    ],
    ids=str,
)
def test_what_cannot_succeed_is_refused_at_once_and_audited(wire: Wire, changes: dict[str, str | None], error: str) -> None:
    answer = _push(wire, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    (event,) = wire.events("authorization.refused")
    assert error in event["event.reason"]


@pytest.mark.spec("OIDCC-5.5.1.1")
def test_a_level_that_a_means_of_login_reaches_may_be_demanded(wire: Wire) -> None:
    assert _push(wire, claims='{"id_token": {"acr": {"essential": true, "value": "eidas2"}}}').status_code == 201
    beyond = _push(wire, claims='{"id_token": {"acr": {"essential": true, "value": "eidas3"}}}')
    assert beyond.json()["error"] == "unmet_authentication_requirements"


@pytest.mark.spec("RFC9126-2.1")
def test_only_a_form_by_post_is_taken_and_each_parameter_once(wire: Wire) -> None:
    auth = ("baseline", "s" * 43)
    assert wire.http.get(f"{CONNECT}/ext/par/request").status_code == 405
    assert wire.http.post(f"{CONNECT}/ext/par/request", json=ASKED, auth=auth).status_code == 400
    twice = [*ASKED.items(), ("state", "again")]
    body = "&".join(f"{name}={value}" for name, value in twice)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert wire.http.post(f"{CONNECT}/ext/par/request", content=body, headers=headers, auth=auth).status_code == 400
    assert wire.http.post(f"{CONNECT}/ext/par/request", data={**ASKED, "state": "s" * 70_000}, auth=auth).status_code == 413


@pytest.mark.spec("RFC9126-5", "RFC9126-6", "FAPI2SP-5.3.2.2")
def test_a_client_that_must_push_gets_nothing_otherwise(wire: Wire) -> None:
    told = query_of(wire.authorize("pushes", cookie=wire.log_in()))
    assert (told["error"], told["iss"]) == ("invalid_request", ISSUER)
    request_uri = _push(wire, "pushes").json()["request_uri"]
    assert "code" in query_of(_bring(wire, "pushes", request_uri, cookie=wire.log_in()))


@pytest.mark.spec("RFC9101-6.3", "FAPI2MS-5.3.1")
def test_an_object_counts_once_pushed_or_not(wire: Wire) -> None:
    value = sign(request_claims("signs", jti="one"))
    pushed = wire.post("ext/par/request", "signs", request=value)
    assert pushed.status_code == 201
    assert query_of(_bring(wire, "signs", pushed.json()["request_uri"], cookie=wire.log_in()))["state"] == "signed-state"
    replayed = wire.post("ext/par/request", "signs", request=value)
    assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_request_object")
    by_value = wire.authorize("signs", cookie=wire.log_in(), request=value)
    assert query_of(by_value)["error"] == "invalid_request_object"
    fresh = wire.authorize("signs", cookie=wire.log_in(), request=sign(request_claims("signs", jti="two")))
    assert query_of(fresh)["state"] == "signed-state"


@pytest.mark.spec("FAPI2SP-5.3.2.1", "FAPI2SP-5.3.2.2", "FAPI2MS-5.3.1", "FAPI2MS-5.4.1", "RFC9126-2")
def test_a_fapi2_client_pushes_a_signed_request_and_gets_a_signed_answer(wire: Wire) -> None:
    def assertion(jti: str, aud: object = ISSUER) -> dict[str, str]:
        claims = {"iss": "fapi", "sub": "fapi", "aud": aud, "jti": jti, "exp": AT + 60}
        return {
            "client_assertion": sign(claims, typ="client-authentication+jwt"),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }

    value = sign(request_claims("fapi", response_mode="jwt", jti="r-1"))
    wrong = wire.post("ext/par/request", None, request=value, **assertion("a-0", f"{CONNECT}/ext/par/request"))
    assert wrong.json()["error"] == "invalid_client"
    pushed = wire.post("ext/par/request", None, request=value, **assertion("a-1"))
    assert pushed.status_code == 201, pushed.text
    answer = query_of(_bring(wire, "fapi", pushed.json()["request_uri"], cookie=wire.log_in()))
    assert answer.keys() == {"response"}
    assert query_of(wire.authorize("fapi", cookie=wire.log_in(), request=sign(request_claims("fapi"))))["error"] == "invalid_request"


@pytest.mark.spec("RFC9449-10.1")
@pytest.mark.parametrize("named", [{}, {"dpop_jkt": KEY.jkt}], ids=["by the proof alone", "by dpop_jkt too"])
def test_a_proof_beside_a_pushed_request_binds_the_code_to_its_key(wire: Wire, named: dict[str, str]) -> None:
    pushed = _push_proved(wire, KEY.proof(wire, PUSH), **named)
    assert pushed.status_code == 201, pushed.text
    code = query_of(_bring(wire, "baseline", pushed.json()["request_uri"], cookie=wire.log_in()))["code"]
    for stranger in (OTHER.proof(wire), None):
        assert redeem(wire, code, stranger).json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC9449-10.1")
def test_the_holder_of_the_key_of_a_pushed_request_gets_the_token(wire: Wire) -> None:
    pushed = _push_proved(wire, KEY.proof(wire, PUSH)).json()
    code = query_of(_bring(wire, "baseline", pushed["request_uri"], cookie=wire.log_in()))["code"]
    assert redeem(wire, code, KEY.proof(wire)).json()["token_type"] == "DPoP"


@pytest.mark.spec("RFC9449-10.1", "RFC9449-4.3")
@pytest.mark.parametrize(
    ("proof", "changes"),
    [
        (lambda wire: KEY.proof(wire, PUSH), {"dpop_jkt": OTHER.jkt}),
        (lambda wire: KEY.proof(wire), {}),
        (lambda wire: KEY.proof(wire, PUSH, "GET"), {}),
        (lambda wire: KEY.proof(wire, PUSH, iat=AT - 3600), {}),
        (lambda wire: "x.y.z", {}),
    ],
    ids=["of another key than dpop_jkt", "for the token endpoint", "for another method", "old", "no proof at all"],
)
def test_a_proof_that_does_not_fit_its_pushed_request_is_refused(wire: Wire, proof: Any, changes: dict[str, str]) -> None:
    answer = _push_proved(wire, proof(wire), **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert "invalid_dpop_proof" in wire.events("authorization.refused")[-1]["event.reason"]


@pytest.mark.spec("RFC9449-11.1")
def test_a_proof_counts_once_for_pushed_requests_too(wire: Wire) -> None:
    proof = KEY.proof(wire, PUSH)
    assert _push_proved(wire, proof).status_code == 201
    assert _push_proved(wire, proof).json()["error"] == "invalid_dpop_proof"


@pytest.mark.spec("RFC9449-8")
def test_a_client_that_needs_a_nonce_gets_it_at_the_pushed_request(wire: Wire) -> None:
    careful = client("careful", quirks={"dpop_nonce_required": True})
    wire.call(lambda provider: provider.store.clients.put(careful))
    first = _push_proved(wire, KEY.proof(wire, PUSH), "careful")
    assert (first.status_code, first.json()["error"]) == (400, "use_dpop_nonce")
    again = _push_proved(wire, KEY.proof(wire, PUSH, nonce=first.headers["dpop-nonce"]), "careful")
    assert again.status_code == 201
    assert again.headers["dpop-nonce"]
