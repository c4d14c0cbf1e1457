from urllib.parse import parse_qs, urlsplit

import pytest

from idp.endpoints.own_client import SESSIONS, login_path
from idp.registration import RegistrationError, parse_client
from tests.idp.wire import BASE, VERIFIER, Wire, query_of


def test_a_login_for_our_own_pages_comes_back_to_them_and_its_code_is_worth_nothing(wire: Wire) -> None:
    answer = wire.http.get(login_path(BASE, SESSIONS), headers={"Cookie": wire.log_in()}, follow_redirects=False)
    assert answer.headers["location"].startswith(f"{BASE}/sessions/return?code=")
    code = query_of(answer)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{BASE}/sessions/return", "code_verifier": VERIFIER}
    refused = wire.post("token", None, client_id=SESSIONS.client_id, **form)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_each_challenge_is_chance() -> None:
    one, two = (parse_qs(urlsplit(login_path(BASE, SESSIONS)).query)["code_challenge"][0] for _ in range(2))
    assert len(one) == 43
    assert one != two


def test_no_registration_can_take_its_place() -> None:
    entry = {"client_id": SESSIONS.client_id, "client_name": "X", "redirect_uris": ["https://evil.example/"]}
    with pytest.raises(RegistrationError, match="client_id"):
        parse_client(entry, "clients.yaml")


def test_nobody_else_s_address_can_be_named_for_it(wire: Wire) -> None:
    answer = wire.authorize(SESSIONS.client_id, cookie=wire.log_in(), redirect_uri="https://evil.example/")
    assert (answer.status_code, answer.headers.get("location")) == (400, None)
