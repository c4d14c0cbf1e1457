"""``oidcc-rp-initiated-logout-certification-test-plan``: each test is named after the module whose steps it walks, by GET and by POST.

The suite itself is a server of its own; what its modules look at is looked at here over the same routes.
"""

import base64
import json
import re
from typing import Any

import pytest

from tests.idp.relying_party import sign
from tests.idp.wire import CONNECT, ISSUER, Wire, claims_of, query_of

GOODBYE = "https://service.example/au-revoir"
COOKIE = "veilleur_idp_sso=cookie-one"


@pytest.fixture(params=["GET", "POST"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _log_out(wire: Wire, method: str, **parameters: str) -> Any:
    wire.http.cookies.clear()
    place: dict[str, Any] = {"params": parameters} if method == "GET" else {"data": parameters}
    headers = {"Cookie": COOKIE, "Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {"Cookie": COOKIE}
    return wire.http.request(method, f"{CONNECT}/logout", headers=headers, follow_redirects=False, **place)


def _is_logged_in(wire: Wire) -> bool:
    """``prompt=none``, as the suite asks after each logout."""
    said = query_of(wire.authorize(cookie=COOKIE, prompt="none"))
    assert said.get("error") in (None, "login_required")
    return "code" in said


def _confirm(wire: Wire, page: Any) -> Any:
    """What a person does whom the provider asks first."""
    found = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert page.status_code == 200 and found, page.text
    return _log_out(wire, "POST", csrf=found[1])


def _altered(token: str, **claims: Any) -> str:
    header, payload, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(said | claims).encode()).rstrip(b'=').decode()}.{signature}"


@pytest.mark.spec("OIDCRP-2.1")
def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(wire: Wire) -> None:
    document = wire.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert document["end_session_endpoint"] == f"{CONNECT}/logout"


@pytest.mark.spec("OIDCRP-2", "OIDCRP-3")
def test_oidcc_rp_initiated_logout(wire: Wire, method: str) -> None:
    hint = wire.tokens()["id_token"]
    answer = _log_out(wire, method, id_token_hint=hint, post_logout_redirect_uri=GOODBYE, state="s 1")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{GOODBYE}?state=s+1")
    assert not _is_logged_in(wire)


@pytest.mark.spec("OIDCRP-3")
def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(wire: Wire, method: str) -> None:
    hint = wire.tokens()["id_token"]
    answer = _log_out(wire, method, id_token_hint=hint, post_logout_redirect_uri="https://service.example/autre-page", state="s")
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.spec("OIDCRP-2", "OIDCRP-4")
def test_oidcc_rp_initiated_logout_modified_id_token_hint(wire: Wire, method: str) -> None:
    hint = _altered(wire.tokens()["id_token"], sid="session-two")
    answer = _log_out(wire, method, id_token_hint=hint, post_logout_redirect_uri=GOODBYE, state="s")
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert _is_logged_in(wire)


@pytest.mark.spec("OIDCRP-3")
def test_oidcc_rp_initiated_logout_no_id_token_hint(wire: Wire, method: str) -> None:
    wire.tokens()
    answer = _log_out(wire, method, post_logout_redirect_uri=GOODBYE, state="s")
    assert "location" not in answer.headers
    assert _is_logged_in(wire), "nobody has confirmed"


@pytest.mark.spec("OIDCRP-2")
def test_oidcc_rp_initiated_logout_no_params(wire: Wire, method: str) -> None:
    wire.tokens()
    assert "location" not in _confirm(wire, _log_out(wire, method)).headers
    assert not _is_logged_in(wire)


@pytest.mark.spec("OIDCRP-2")
def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(wire: Wire, method: str) -> None:
    answer = _log_out(wire, method, id_token_hint=wire.tokens()["id_token"], state="s")
    assert (answer.status_code, "location" in answer.headers) == (200, False)
    assert not _is_logged_in(wire)


@pytest.mark.spec("OIDCRP-3")
def test_oidcc_rp_initiated_logout_no_state(wire: Wire, method: str) -> None:
    answer = _log_out(wire, method, id_token_hint=wire.tokens()["id_token"], post_logout_redirect_uri=GOODBYE)
    assert answer.headers["location"] == GOODBYE
    assert not _is_logged_in(wire)


@pytest.mark.spec("OIDCRP-2")
def test_oidcc_rp_initiated_logout_only_state(wire: Wire, method: str) -> None:
    wire.tokens()
    assert "location" not in _confirm(wire, _log_out(wire, method, state="s")).headers
    assert not _is_logged_in(wire)


@pytest.mark.spec("OIDCRP-3")
def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(wire: Wire, method: str) -> None:
    answer = _log_out(wire, method, id_token_hint=wire.tokens()["id_token"], post_logout_redirect_uri=f"{GOODBYE}?foo=bar", state="s")
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.spec("OIDCRP-2", "OIDCRP-4")
@pytest.mark.parametrize("hint", ["unsigned", "signed by another"])
def test_oidcc_rp_initiated_logout_bad_id_token_hint(wire: Wire, method: str, hint: str) -> None:

    token = wire.tokens()["id_token"]
    if hint == "unsigned":
        header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
        forged = f"{header}.{token.split('.')[1]}."
    else:
        forged = sign(claims_of(token), typ="JWT")
    answer = _log_out(wire, method, id_token_hint=forged, post_logout_redirect_uri=GOODBYE, state="s")
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert _is_logged_in(wire)
