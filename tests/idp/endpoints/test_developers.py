from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.model import Account, AccountKind, AccountState
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import NATIONAL_ID, PERSON, Wire, client, query_of, running

ME, OTHER = "veilleur_idp_sso=cookie-one", "veilleur_idp_sso=cookie-other"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """A developer of one client, and somebody else who is logged in too."""
    with running(tmp_path) as started:
        other = Account(id="other", kind=AccountKind.PROFESSIONAL, national_id="899700000013")
        started.call(lambda provider: provider.store.accounts.put(other))
        started.call(lambda provider: provider.store.clients.put(client("developed", developers=(NATIONAL_ID,))))
        started.call(lambda provider: provider.store.clients.put(client("foreign", developers=("899700000013",))))
        started.log_in()
        started.log_in("other", account_id="other")
        yield started


def _get(wire: Wire, path: str, cookie: str = ME, language: str = "fr") -> Any:
    wire.http.cookies.clear()
    return wire.http.get(path, headers={"Cookie": cookie, "Accept-Language": language}, follow_redirects=False)


def _refused(wire: Wire, client_id: str = "developed", **parameters: str) -> str:
    """The reference of a login request that is refused."""
    answer = wire.authorize(client_id, **{"redirect_uri": "https://service.example/retours", **parameters})
    reference: str = answer.headers["x-request-id"]
    return reference


@pytest.mark.parametrize(("language", "word"), [("fr", "Envoyé"), ("en", "Sent")])
def test_a_developer_sees_what_was_sent_beside_what_is_registered_with_the_difference_marked(wire: Wire, language: str, word: str) -> None:
    page = _get(wire, f"/developers/{_refused(wire)}", language=language)
    assert page.status_code == 200
    assert faults_of(page.text) == []
    assert word in page.text
    assert "https://service.example/retour<mark>s</mark>" in page.text
    assert "RFC 9700 §2.1" in page.text


def test_the_list_shows_the_last_refusals_of_my_clients_newest_first_and_of_no_other(wire: Wire) -> None:
    first = _refused(wire)
    wire.wall.advance(1)
    second = wire.redeem("never-issued", "developed").headers["x-request-id"]
    foreign = _refused(wire, "foreign")
    page = _get(wire, "/developers")
    assert faults_of(page.text) == []
    assert page.text.index(second) < page.text.index(first)
    assert foreign not in page.text
    assert "Foreign" not in page.text


def test_a_registration_that_was_mended_leaves_no_fault(wire: Wire) -> None:
    reference = _refused(wire)
    mended = client("developed", developers=(NATIONAL_ID,), redirect_uris=("https://service.example/retours",))
    wire.call(lambda provider: provider.store.clients.put(mended))
    assert "<mark>" not in _get(wire, f"/developers/{reference}").text


def test_an_unknown_an_expired_and_a_foreign_reference_get_one_and_the_same_page(wire: Wire) -> None:
    foreign, mine = _refused(wire, "foreign"), _refused(wire)
    answers = [_get(wire, f"/developers/{reference}") for reference in (foreign, "0" * 16, "x", "return%00")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    wire.wall.advance(3 * 86_400)
    wire.log_in()
    assert _get(wire, f"/developers/{mine}").text == answers[0].text


def test_a_person_who_develops_nothing_sees_that_page_too(wire: Wire) -> None:
    reference = _refused(wire)
    wire.call(lambda provider: provider.store.clients.delete("foreign"))
    assert _get(wire, "/developers", OTHER).text == _get(wire, f"/developers/{reference}", OTHER).text


def test_without_a_session_every_reference_leads_to_the_login_and_back(wire: Wire) -> None:
    reference = _refused(wire)
    for path in (f"/developers/{reference}", "/developers/0000000000000000"):
        answer = _get(wire, path, "none=1")
        assert answer.status_code == 303
        assert query_of(answer)["client_id"] == "_developers"
    login = _get(wire, f"/developers/{reference}", "none=1").headers["location"]
    back = _get(wire, login)
    assert back.headers["location"].startswith("http://127.0.0.1:8800/developers/return?code=")
    assert _get(wire, back.headers["location"]).headers["location"] == f"/developers/{reference}"


@pytest.mark.parametrize("query", ["state=//evil.example", "state=..%2F..%2Fadmin", "state=", ""])
def test_the_way_back_leads_nowhere_else(wire: Wire, query: str) -> None:
    assert _get(wire, f"/developers/return?{query}").headers["location"] == "/developers"


def test_a_developer_who_is_suspended_sees_nothing(wire: Wire) -> None:
    reference = _refused(wire)
    suspended = Account(id=PERSON.id, kind=PERSON.kind, national_id=NATIONAL_ID, state=AccountState.SUSPENDED)
    wire.call(lambda provider: provider.store.accounts.put(suspended))
    assert _get(wire, f"/developers/{reference}").status_code == 303


def test_a_scope_that_is_not_registered_is_marked_word_by_word(wire: Wire) -> None:
    page = _get(wire, f"/developers/{_refused(wire, redirect_uri='https://service.example/retour', scope='openid drugs:read')}")
    assert "<mark>drugs:read</mark>" in page.text
    assert "<mark>openid" not in page.text
