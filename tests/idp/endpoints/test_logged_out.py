from datetime import timedelta

import pytest

from idp.endpoints.logged_out import last_moment, screen_time
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import CONNECT, START, Wire, client


def _leave(wire: Wire, id_token: str, language: str = "fr") -> str:
    headers = {"Accept-Language": language}
    page: str = wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": id_token}, headers=headers).text
    return page


def test_the_page_says_who_is_told_who_cannot_be_and_what_stays_valid_until_when(wire: Wire) -> None:
    told = client("told", client_name="Dossier <b>", backchannel_logout_uri="https://service.example/fin")
    wire.call(lambda provider: provider.store.clients.put(told))
    hint = wire.tokens("told")["id_token"]
    wire.redeem(wire.code("other", cookie="veilleur_idp_sso=cookie-one"), "other")
    page = _leave(wire, hint, "en")
    assert "We are telling these services: Dossier &lt;b&gt;." in page
    assert "log out there too: Other." in page
    # Tokens live for two minutes; it is nine in the evening in Paris.
    assert "until 21:02:00 at the latest" in page


def test_the_page_says_nothing_of_what_is_not(wire: Wire) -> None:
    hint = wire.tokens()["id_token"]
    wire.wall.advance(121)
    page = _leave(wire, hint)
    assert 'id="residual"' not in page
    assert 'id="told"' not in page


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page_is_sound_and_only_its_frames_lead_elsewhere(wire: Wire, language: str) -> None:
    framed = client("framed", frontchannel_logout_uri="https://service.example/fin")
    wire.call(lambda provider: provider.store.clients.put(framed))
    [frame] = faults_of(_leave(wire, wire.tokens("framed")["id_token"], language))
    assert frame.startswith("iframe src leads elsewhere: https://service.example/fin?")


def test_services_hear_of_a_session_that_had_idled_out_when_one_of_them_logs_out(wire: Wire) -> None:
    told = client("told", backchannel_logout_uri="https://service.example/fin")
    wire.call(lambda provider: provider.store.clients.put(told))
    hint = wire.tokens("told")["id_token"]
    wire.wall.advance(3600)
    assert "Told" in _leave(wire, hint)
    assert wire.events("session.ended") == [], "it had ended by itself"


def test_a_moment_is_told_as_the_wall_clock_shows_it() -> None:
    assert last_moment(START, timedelta()) is None
    assert screen_time(last_moment(START, timedelta(seconds=119))) == "21:01:59"
    assert screen_time(None) is None
