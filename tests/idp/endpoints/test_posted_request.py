from urllib.parse import urlsplit

import pytest

from tests.idp.wire import REDIRECT, SECRET, Wire, query_of


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_a_form_without_cookies_is_asked_again_by_get_and_finds_the_session_and_the_login_of_the_browser(wire: Wire) -> None:
    cookie = f"{wire.log_in()}; veilleur_idp_login={'l' * 43}"
    posted = wire.authorize(method="POST", prompt="none", unknown="x")
    assert (posted.status_code, "set-cookie" in posted.headers) == (303, False)
    assert urlsplit(posted.headers["location"]).path.startswith("/auth/posted/")
    answer = wire.http.get(posted.headers["location"], headers={"Cookie": cookie}, follow_redirects=False)
    assert answer.headers["location"].startswith(f"{REDIRECT}?code=")
    assert query_of(answer)["state"] == "s-1"
    asked = wire.authorize(method="POST", prompt="login")
    login = wire.http.get(asked.headers["location"], headers={"Cookie": cookie}, follow_redirects=False)
    assert "/login/" in login.headers["location"]
    assert "set-cookie" not in login.headers, "another tab's login goes on"


def test_what_was_posted_counts_once_and_for_a_minute(wire: Wire) -> None:
    cookie = wire.log_in()
    first, second = (wire.authorize(method="POST").headers["location"] for _ in range(2))
    statuses = [wire.http.get(first, headers={"Cookie": cookie}, follow_redirects=False).status_code for _ in range(2)]
    assert statuses == [303, 400]
    wire.wall.advance(61)
    assert wire.http.get(second, headers={"Cookie": cookie}, follow_redirects=False).status_code == 400


def test_what_was_posted_is_no_pushed_request(wire: Wire) -> None:
    reference = wire.authorize(method="POST").headers["location"].rpartition("/")[2]
    pushed = f"urn:ietf:params:oauth:request_uri:{reference}"
    for client_id in ("baseline", "_posted"):
        answer = wire.authorize(client_id, cookie=wire.log_in(), request_uri=pushed)
        assert "code=" not in answer.headers.get("location", "")
    pushed_reference = wire.post("ext/par/request", "baseline", response_type="code", redirect_uri=REDIRECT, scope="openid").json()
    taken = wire.http.get(f"/auth/posted/{pushed_reference.get('request_uri', SECRET).rpartition(':')[2]}", follow_redirects=False)
    assert taken.status_code == 400


@pytest.mark.parametrize("form", [{"client_id": "nobody"}, {"client_id": None}, {"claims": "x" * 25_000}], ids=["nobody", "none", "long"])
def test_nothing_is_kept_of_what_no_service_asks_or_of_what_is_too_long(wire: Wire, form: dict[str, str | None]) -> None:
    answer = wire.authorize(method="POST", **form)
    assert "/auth/posted/" not in answer.headers.get("location", "")
    assert "code=" not in answer.headers.get("location", "")
