"""Each response mode as a browser and a client receive it."""

import re
from html import unescape
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import CONNECT, ISSUER, REDIRECT, VERIFIER, Wire, claims_of, client, query_of

#: The one form of these pages leads to the service: that is what they are for.
_LEADS_TO_THE_CLIENT = f"form action leads elsewhere: {REDIRECT}"


def _form_of(page: str) -> tuple[str, dict[str, str]]:
    """Where the form leads, and its hidden fields."""
    (action,) = re.findall(r'<form [^>]*action="([^"]*)"', page)
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return unescape(action), {unescape(name): unescape(value) for name, value in fields}


def _verified(wire: Wire, token: str, alg: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(wire.http.get(f"{CONNECT}/certs").json())
    return dict(jwt.decode(token, keys, algorithms=[alg]).claims)


@pytest.mark.spec("OAUTHFPM-2")
def test_form_post_carries_the_answer_in_a_form_that_submits_itself(wire: Wire) -> None:
    answer = wire.authorize(cookie=wire.log_in(), response_mode="form_post", state='"><script>')
    assert answer.status_code == 200
    action, fields = _form_of(answer.text)
    assert action == REDIRECT
    assert (fields["state"], fields["iss"]) == ('"><script>', ISSUER)
    assert fields.keys() == {"code", "state", "iss", "session_state"}
    assert faults_of(answer.text) == [_LEADS_TO_THE_CLIENT]
    assert '<script type="module" src="/assets/form-post.js"></script>' in answer.text
    assert wire.redeem(fields["code"]).status_code == 200


@pytest.mark.spec("OAUTHFPM-4")
def test_its_form_may_lead_to_that_redirect_uri_alone_and_nobody_keeps_the_page(wire: Wire) -> None:
    answer = wire.authorize(cookie=wire.log_in(), response_mode="form_post", redirect_uri="https://service.example/autre?a=1")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["form-action"] == "https://service.example/autre"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert wire.http.get("http://127.0.0.1:8800/assets/form-post.js").status_code == 200


def test_a_redirect_uri_cannot_end_the_directive_it_stands_in(wire: Wire) -> None:
    odd = "https://service.example/a;script-src,b/'none'"
    wire.call(lambda provider: provider.store.clients.put(client("odd", redirect_uris=(odd,))))
    answer = wire.authorize("odd", cookie=wire.log_in(), response_mode="form_post", redirect_uri=odd)
    policy = answer.headers["content-security-policy"]
    assert policy.endswith("form-action https://service.example/a%3Bscript-src%2Cb/%27none%27")


@pytest.mark.spec("OAUTHFPM-2", "RFC6749-4.1.2.1")
def test_a_refusal_comes_in_the_mode_that_was_asked_for(wire: Wire) -> None:
    action, fields = _form_of(wire.authorize(response_mode="form_post", prompt="none").text)
    assert (action, fields["error"], fields["state"]) == (REDIRECT, "login_required", "s-1")
    signed = query_of(wire.authorize(response_mode="jwt", scope="identity"))
    assert signed.keys() == {"response"}
    assert claims_of(signed["response"])["error"] == "invalid_scope"


def test_an_unverified_redirect_uri_gets_no_form_either(wire: Wire) -> None:
    answer = wire.authorize(response_mode="form_post", redirect_uri="https://evil.example/")
    assert (answer.status_code, "evil.example" in answer.text) == (400, False)


@pytest.mark.spec("JARM-2.1", "JARM-2.3.1", "FAPI2MS-5.4.1")
@pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
def test_a_signed_answer_is_one_jwt_for_that_client(wire: Wire, mode: str) -> None:
    told = query_of(wire.authorize(cookie=wire.log_in(), response_mode=mode))
    assert told.keys() == {"response"}
    claims = _verified(wire, told["response"], "ES256")
    assert (claims["iss"], claims["aud"], claims["state"]) == (ISSUER, "baseline", "s-1")
    assert 0 < claims["exp"] - wire.wall().timestamp() <= 600
    assert wire.redeem(claims["code"]).status_code == 200


@pytest.mark.spec("JARM-2.3.3")
def test_a_signed_answer_may_come_as_a_form(wire: Wire) -> None:
    action, fields = _form_of(wire.authorize(cookie=wire.log_in(), response_mode="form_post.jwt").text)
    assert (action, fields.keys()) == (REDIRECT, {"response"})
    assert _verified(wire, fields["response"], "ES256")["state"] == "s-1"


@pytest.mark.spec("JARM-3")
def test_it_is_signed_with_the_client_s_algorithm(wire: Wire) -> None:
    psc = query_of(wire.authorize("psc", cookie=wire.log_in(), response_mode="jwt"))["response"]
    assert _verified(wire, psc, "RS256")["session_state"] == "session-one"
    wire.call(lambda provider: provider.store.clients.put(client("own", authorization_signed_response_alg="RS256")))
    signed = query_of(wire.authorize("own", cookie=wire.log_in(), response_mode="jwt"))["response"]
    assert "code" in _verified(wire, signed, "RS256")
    assert wire.redeem(claims_of(signed)["code"], "own", code_verifier=VERIFIER).status_code == 200


def test_a_signed_answer_is_no_token(wire: Wire) -> None:
    signed = query_of(wire.authorize(cookie=wire.log_in(), response_mode="jwt"))["response"]
    assert wire.userinfo(signed).status_code == 401
    assert query_of(wire.authorize(cookie=wire.log_in(), id_token_hint=signed))["error"] == "invalid_request"
