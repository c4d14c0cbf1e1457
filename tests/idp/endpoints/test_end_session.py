import re
from typing import Any

import pytest

from idp.model import Profile
from idp.sessions import hash_secret
from tests.idp.wire import CONNECT, Wire, client, query_of

GOODBYE = "https://service.example/au-revoir"


def _log_out(wire: Wire, *, cookie: str = "", **parameters: str) -> Any:
    headers = {"Cookie": cookie} if cookie else {}
    return wire.http.get(f"{CONNECT}/logout", params=parameters, headers=headers, follow_redirects=False)


@pytest.mark.spec("OIDCRP-2", "OIDCRP-3")
def test_the_session_of_the_hint_ends_with_every_token_and_the_browser_goes_where_it_was_registered(wire: Wire) -> None:
    first, cookie = wire.tokens(), "veilleur_idp_sso=cookie-one"
    second = wire.redeem(wire.code("other", cookie=cookie), "other").json()
    answer = _log_out(wire, cookie=cookie, id_token_hint=first["id_token"], post_logout_redirect_uri=GOODBYE, state="x")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(GOODBYE)
    assert query_of(answer) == {"state": "x"}
    assert "veilleur_idp_sso=;" in answer.headers["set-cookie"]
    for tokens in (first, second):
        assert wire.userinfo(tokens["access_token"]).status_code == 401
    assert "/login/" in wire.authorize(cookie=cookie).headers["location"]
    (ended,) = wire.events("session.ended")
    assert (ended["health.session.id"], ended["health.revoked.count"], ended["health.residual.seconds"]) == ("session-one", 2, 120)


@pytest.mark.spec("OIDCRP-3")
@pytest.mark.parametrize(
    "change",
    [
        {"post_logout_redirect_uri": "https://evil.example/"},
        {"post_logout_redirect_uri": f"{GOODBYE}?x=1"},
        {"id_token_hint": "a.b.c"},
        {"client_id": "other"},
    ],
    ids=str,
)
def test_what_does_not_hold_is_a_page_and_ends_nothing(wire: Wire, change: dict[str, str]) -> None:
    tokens = wire.tokens()
    answer = _log_out(wire, **{"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": GOODBYE, **change})
    assert (answer.status_code, answer.headers.get("location")) == (400, None)
    assert wire.userinfo(tokens["access_token"]).status_code == 200


@pytest.mark.spec("OIDCRP-2")
def test_an_old_hint_is_good_enough_and_an_access_token_is_none(wire: Wire) -> None:
    tokens = wire.tokens("psc")
    assert _log_out(wire, id_token_hint=tokens["access_token"]).status_code == 400
    wire.wall.advance(1000)
    assert _log_out(wire, id_token_hint=tokens["id_token"]).status_code == 200
    assert len(wire.events("session.ended")) == 1


@pytest.mark.spec("OIDCRP-2", "OIDCRP-6")
def test_without_a_hint_the_person_is_asked_first(wire: Wire) -> None:
    tokens, cookie = wire.tokens(), "veilleur_idp_sso=cookie-one"
    page = _log_out(wire, cookie=cookie, client_id="baseline", post_logout_redirect_uri=GOODBYE)
    assert page.status_code == 200
    assert wire.userinfo(tokens["access_token"]).status_code == 200
    forged = wire.http.post(f"{CONNECT}/logout", data={"csrf": "x"}, headers={"Cookie": cookie})
    assert wire.userinfo(tokens["access_token"]).status_code == 200
    assert 'name="csrf"' in forged.text
    found = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert found
    query = {"client_id": "baseline", "post_logout_redirect_uri": GOODBYE}
    done = wire.http.post(f"{CONNECT}/logout", params=query, data={"csrf": found[1]}, headers={"Cookie": cookie}, follow_redirects=False)
    assert done.headers["location"] == GOODBYE
    assert wire.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.spec("OIDCRP-2")
@pytest.mark.parametrize("cookie", ["", "veilleur_idp_sso=cookie-gone"])
def test_where_no_session_is_nothing_is_said_to_have_ended(wire: Wire, cookie: str) -> None:
    answer = _log_out(wire, cookie=cookie)
    assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
    assert "Aucune session" in answer.text
    back = _log_out(wire, cookie=cookie, client_id="baseline", post_logout_redirect_uri=GOODBYE, state="x")
    assert (back.status_code, back.headers["location"]) == (303, f"{GOODBYE}?state=x")


@pytest.mark.spec("OIDCRP-2")
def test_a_form_without_cookie_is_asked_again_with_what_it_asked(wire: Wire) -> None:
    form = {"client_id": "baseline", "post_logout_redirect_uri": GOODBYE, "state": "a b&c", "unknown": "x"}
    answer = wire.http.post(f"{CONNECT}/logout", data=form, follow_redirects=False)
    assert answer.headers["location"].startswith(f"{CONNECT}/logout?")
    assert query_of(answer) == {name: value for name, value in form.items() if name != "unknown"}
    assert wire.http.post(f"{CONNECT}/logout", data={"state": "x" * 5000}, follow_redirects=False).status_code == 400


def test_the_frame_s_cookie_tells_whose_browser_it_is_where_no_other_comes_along(wire: Wire) -> None:
    """Over TLS that cookie comes with forms of other sites too."""
    hint = wire.tokens()["id_token"]
    for session_id, goes in (("session-two", False), ("session-one", True)):
        headers = {"Cookie": f"veilleur_idp_state=x.{hash_secret(session_id)}"}
        answer = wire.http.post(f"{CONNECT}/logout", data={"id_token_hint": hint}, headers=headers, follow_redirects=False)
        assert ("veilleur_idp_sso=;" in answer.headers.get("set-cookie", "")) == goes


def test_logging_out_twice_is_no_error(wire: Wire) -> None:
    hint = wire.tokens()["id_token"]
    assert [_log_out(wire, id_token_hint=hint).status_code for _ in range(2)] == [200, 200]
    assert len(wire.events("session.ended")) == 1


@pytest.mark.parametrize(("quirks", "location"), [({}, f"{GOODBYE}?state=x"), ({"logout_state_returned": False}, GOODBYE)])
@pytest.mark.spec("OIDCRP-3", "PSC-6")
def test_a_service_can_rehearse_a_logout_that_forgets_its_state(wire: Wire, quirks: dict[str, bool], location: str) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("rehearsing", profile=Profile.PSC, quirks=quirks)))
    hint = wire.tokens("rehearsing")["id_token"]
    answer = _log_out(wire, id_token_hint=hint, post_logout_redirect_uri=GOODBYE, state="x")
    assert answer.headers["location"] == location
