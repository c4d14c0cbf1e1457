import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import BASE, PERSON, REDIRECT, START, Wire, client, query_of


class Visit:
    """A browser on the page that a service that registered itself leads to."""

    def __init__(self, wire: Wire, **parameters: str) -> None:
        self.wire, self.session = wire, wire.log_in()
        answer = wire.authorize("itself", cookie=self.session, **parameters)
        self.url = answer.headers["location"]
        assert urlsplit(self.url).path.startswith("/consent/"), self.url
        self.cookie = f"{self.session}; {answer.headers['set-cookie'].partition(';')[0]}"
        self.page = self.get(self.url).text

    def get(self, url: str, cookie: str = "") -> Any:
        self.wire.http.cookies.clear()
        return self.wire.http.get(url, headers={"Cookie": cookie or self.cookie}, follow_redirects=False)

    def post(self, url: str, cookie: str = "", **form: str) -> Any:
        self.wire.http.cookies.clear()
        return self.wire.http.post(url, data=form, headers={"Cookie": cookie or self.cookie}, follow_redirects=False)

    def field(self, name: str) -> str:
        found = re.search(f'name="{name}" value="([^"]+)"', self.page)
        assert found
        return found[1]


@pytest.fixture(autouse=True)
def _itself(wire: Wire) -> None:
    itself = client("itself", client_name="Service <neuf>", registered_at=START, structure_name="Centre d’Exemple")
    wire.call(lambda provider: provider.store.clients.put(itself))


@pytest.mark.spec("OIDCC-3.1.2.4", "RFC7591-5")
def test_the_person_sees_who_asks_for_what_and_where_it_goes_and_then_never_again(wire: Wire) -> None:
    visit = Visit(wire, scope="openid profile", ui_locales="fr")
    for shown in ("Service &lt;neuf&gt;", "Centre d’Exemple", "service.example", "22/11/2026", "Votre nom"):
        assert shown in visit.page
    assert faults_of(visit.page) == []
    resumed = visit.post(visit.url, yes=visit.field("yes"))
    answer = visit.get(f"{BASE}{resumed.headers['location']}")
    assert answer.headers["location"].startswith(f"{REDIRECT}?code=")
    [given] = wire.events("consent.given")
    assert (given["user.id"], given["health.relying_party.id"], given["health.scope"]) == (
        PERSON.national_id,
        "itself",
        ["openid", "profile"],
    )
    assert "code" in query_of(wire.authorize("itself", cookie=visit.session, scope="openid", prompt="none"))
    more = wire.authorize("itself", cookie=visit.session, scope="openid identity", prompt="none")
    assert query_of(more)["error"] == "consent_required"
    again = Visit(wire, scope="openid identity")
    again.post(again.url, yes=again.field("yes"))
    assert "code" in query_of(wire.authorize("itself", cookie=visit.session, scope="openid profile identity", prompt="none")), "both count"


def test_a_no_goes_back_to_the_service_and_nothing_is_kept(wire: Wire) -> None:
    visit = Visit(wire)
    path = visit.url.replace("/consent/", "/login/")
    answer = visit.post(f"{path}/cancel", csrf=visit.field("csrf"))
    assert (query_of(answer)["error"], query_of(answer)["state"]) == ("access_denied", "s-1")
    assert query_of(wire.authorize("itself", cookie=visit.session, prompt="none"))["error"] == "consent_required"


def test_only_the_page_that_was_shown_agrees(wire: Wire) -> None:
    visit = Visit(wire)
    yes = visit.field("yes")
    assert visit.post(visit.url, yes="0" * 64).status_code == 403
    assert visit.post(visit.url, csrf=visit.field("csrf")).status_code == 403
    assert visit.post(visit.url, cookie=visit.session, yes=yes).status_code == 410, "another browser"
    wire.call(lambda provider: provider.store.clients.put(client("itself", client_name="Messagerie de la région", registered_at=START)))
    assert visit.post(visit.url, yes=yes).status_code == 403, "the service has changed meanwhile"
    assert wire.call(lambda provider: provider.store.consents.of_account(PERSON.id, provider.clock())) == []


def test_who_has_no_session_any_more_logs_in_first(wire: Wire) -> None:
    visit = Visit(wire)
    without = visit.cookie.partition("; ")[2]
    for answer in (visit.get(visit.url, without), visit.post(visit.url, without, yes=visit.field("yes"))):
        assert "/auth/resume/" in answer.headers["location"]
    assert "/login/" in visit.get(f"{BASE}{answer.headers['location']}", without).headers["location"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_prompt_consent_shows_a_service_of_the_operator_too_and_keeps_nothing(wire: Wire) -> None:
    cookie = wire.log_in()
    for _ in range(2):
        asked = wire.authorize("baseline", cookie=cookie, prompt="consent")
        assert "/consent/" in asked.headers["location"]
    assert query_of(wire.authorize("baseline", cookie=cookie, prompt="none")).keys() >= {"code"}


def test_a_consent_is_withdrawn_on_the_page_of_sessions_and_ends_what_it_gave(wire: Wire) -> None:
    wire.agree("itself")
    cookie = wire.log_in()
    tokens = wire.redeem(wire.code("itself", cookie=cookie), "itself").json()
    spared = wire.redeem(wire.code("other", cookie=cookie), "other").json()
    page = wire.http.get(f"{BASE}/sessions", headers={"Cookie": cookie}).text
    assert faults_of(page) == []
    found = re.search(r'action="(/sessions/services/itself/withdraw)">\s*<input type="hidden" name="csrf" value="([^"]+)"', page)
    assert found
    path, csrf = found.groups()
    assert wire.http.post(f"{BASE}{path}", data={"csrf": "x"}, headers={"Cookie": cookie}).status_code == 403
    assert wire.http.post(f"{BASE}{path}", data={"csrf": csrf}, headers={"Cookie": cookie}).status_code == 200
    assert wire.http.post(f"{BASE}{path}", data={"csrf": csrf}, headers={"Cookie": cookie}).status_code == 404
    assert wire.userinfo(tokens["access_token"]).status_code == 401
    assert wire.userinfo(spared["access_token"]).status_code == 200
    assert query_of(wire.authorize("itself", cookie=cookie, prompt="none"))["error"] == "consent_required"
    [withdrawn] = wire.events("consent.withdrawn")
    assert (withdrawn["health.relying_party.id"], withdrawn["health.revoked.count"]) == ("itself", 1)
