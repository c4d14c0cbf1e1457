"""Logging out is no way to send people elsewhere, nor to log others out.

Precedents: Keycloak's line of logout redirects (CVE-2020-10734, CVE-2023-6927), OpenID Connect RP-Initiated Logout 1.0 §3 and §6.
"""

import pytest

from tests.idp.wire import CONNECT, Wire, client

pytestmark = pytest.mark.precedent("CVE-2020-10734", "CVE-2023-6927")


HERE = "https://service.example/au-revoir"
LOGOUT = f"{CONNECT}/logout"


@pytest.mark.parametrize(
    "uri",
    [
        *(f"{HERE}{tail}" for tail in ("/", "?a=1", "#", "#x", "%20", "\\", "/..", "%0d%0aX:y", " ", "\n")),
        *("https://service.example/", "https://service.example@evil.example/au-revoir", "https://evil.example", "//evil.example", "/"),
        *("https://SERVICE.example/au-revoir", "http://service.example/au-revoir", "https://service.example:443/au-revoir"),
        *("javascript:alert(1)", "data:text/html,x", "https://service.example/retour", "https:\\\\evil.example"),
    ],
)
def test_another_address_than_a_registered_one_is_a_page(shared: Wire, uri: str) -> None:
    hint = shared.tokens()["id_token"]
    for sent in ({"id_token_hint": hint}, {"client_id": "baseline"}, {"id_token_hint": hint, "client_id": "baseline"}, {}):
        for method in ("GET", "POST"):
            shared.http.cookies.clear()
            form = {**sent, "post_logout_redirect_uri": uri}
            answer = shared.http.request(
                method,
                LOGOUT,
                **({"params": form} if method == "GET" else {"data": form}),
                follow_redirects=False,  # type: ignore[arg-type]
            )
            assert answer.status_code == 400
            assert "location" not in answer.headers
            assert "evil" not in answer.text


def test_a_registered_address_needs_to_be_the_client_s_own(wire: Wire) -> None:
    other = client("neighbour", post_logout_redirect_uris=("https://neighbour.example/",))
    wire.call(lambda provider: provider.store.clients.put(other))
    hint = wire.tokens()["id_token"]
    for sent in ({"id_token_hint": hint}, {"client_id": "baseline"}, {"id_token_hint": hint, "client_id": "neighbour"}):
        params = {**sent, "post_logout_redirect_uri": "https://neighbour.example/"}
        assert wire.http.get(LOGOUT, params=params, follow_redirects=False).status_code == 400


@pytest.mark.parametrize(
    "sent", [{}, {"client_id": "baseline"}, {"client_id": "baseline", "post_logout_redirect_uri": HERE}, {"csrf": "0" * 64}], ids=str
)
def test_a_link_on_any_page_logs_nobody_out(wire: Wire, sent: dict[str, str]) -> None:
    """A browser follows a link with the Lax cookie; a form of another site it sends without, and the redirect that answers it with."""
    cookie = wire.log_in()
    wire.http.cookies.clear()
    posted = wire.http.post(LOGOUT, data=sent or {"a": "b"}, follow_redirects=False)
    assert (posted.status_code, "set-cookie" in posted.headers) == (303, False)
    asked = [wire.http.get(LOGOUT, params=sent, headers={"Cookie": cookie}, follow_redirects=False)]
    asked.append(wire.http.get(posted.headers["location"], headers={"Cookie": cookie}, follow_redirects=False))
    asked.append(wire.http.post(LOGOUT, data=sent or {"a": "b"}, headers={"Cookie": cookie}, follow_redirects=False))
    for answer in asked:
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert 'id="logout"' in answer.text
    assert "code=" in wire.authorize(cookie=cookie, prompt="none").headers["location"]


def test_another_site_s_form_cannot_take_a_browser_its_cookie_by_the_hint_of_another_session(wire: Wire) -> None:
    hint = wire.tokens()["id_token"]
    cookie = wire.log_in("two")
    wire.http.cookies.clear()
    answer = wire.http.post(LOGOUT, data={"id_token_hint": hint}, follow_redirects=False)
    assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
    assert "code=" in wire.authorize(cookie=cookie, prompt="none").headers["location"]


def test_the_state_cannot_break_out_of_the_address(wire: Wire) -> None:
    hint = wire.tokens()["id_token"]
    params = {
        "id_token_hint": hint,
        "post_logout_redirect_uri": HERE,
        "state": "\r\nSet-Cookie: a=b&post_logout_redirect_uri=https://evil#\u0000",
    }
    location = wire.http.get(LOGOUT, params=params, follow_redirects=False).headers["location"]
    assert location.startswith(f"{HERE}?state=%0D%0ASet-Cookie%3A+a%3Db%26post_logout")
    assert location.isascii()


def test_a_service_that_was_cut_off_gets_nobody_sent_to_it(wire: Wire) -> None:
    hint, cookie = wire.tokens()["id_token"], wire.log_in()
    wire.call(lambda provider: provider.store.clients.put(client("baseline", disabled=True)))
    params = {"id_token_hint": hint, "post_logout_redirect_uri": HERE}
    answer = wire.http.get(LOGOUT, params=params, headers={"Cookie": cookie}, follow_redirects=False)
    assert (answer.status_code, answer.headers.get("location")) == (200, None)
    assert "error=login_required" in wire.authorize("other", cookie=cookie, prompt="none").headers["location"], "but the session has ended"
