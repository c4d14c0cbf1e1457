import re

from tests.idp.endpoints.console.entering import CLIENTS, Console
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import NATIONAL_ID, client

ONE = f"{CLIENTS}/baseline"


def test_the_list_says_of_each_client_how_it_stands(console: Console) -> None:
    page = console.get(CLIENTS).text
    assert page.count("<li>") == len(console.wire.call(lambda provider: provider.store.clients.all()))
    assert "Exigences non tenues" in page


def test_one_client_is_shown_as_registered_with_what_is_asked_of_it(console: Console) -> None:
    page = console.get(ONE).text
    assert "https://service.example/retour" in page
    assert "RFC 9700" in page
    assert "client_secret_hash" not in page


def test_a_client_is_suspended_and_restored_and_the_audit_log_says_by_whom_from_where_and_what(console: Console) -> None:
    answer = console.send(f"{ONE}/suspend", ONE)
    assert answer.status_code == 303
    assert 'role="status"' in console.get(answer.headers["location"]).text
    assert console.wire.authorize().status_code == 400
    assert console.send(f"{ONE}/restore", ONE).status_code == 303
    assert console.wire.authorize().status_code == 303
    suspended, restored = [event for event in console.wire.events("client.changed") if event["health.actor.id"] == NATIONAL_ID]
    assert suspended["event.reason"] == "changed: disabled: – → true"
    assert restored["event.reason"] == "changed: disabled: true → –"
    assert suspended["source.ip"] == "testclient"
    assert suspended["health.relying_party.id"] == "baseline"


def test_a_new_secret_is_shown_once_and_is_the_one_that_counts(console: Console) -> None:
    answer = console.send(f"{ONE}/secret", ONE)
    assert faults_of(answer.text) == []
    found = re.search(r'id="secret">([^<]+)<', answer.text)
    assert found
    assert found[1] not in console.get(ONE).text
    assert found[1] not in str(console.wire.events())
    assert console.wire.post("token", grant_type="refresh_token").status_code == 401
    http, url = console.wire.http, f"{console.wire.provider.issuer}/protocol/openid-connect/token"
    assert http.post(url, data={"grant_type": "refresh_token"}, auth=("baseline", found[1])).json()["error"] == "invalid_request"


def test_a_page_that_is_out_of_date_changes_nothing(console: Console) -> None:
    first = console.get(ONE).text
    held = dict(re.findall(r'name="(csrf|version)" value="([^"]+)"', first))
    assert console.send(f"{ONE}/secret", ONE).status_code == 200
    stale = console.request("POST", f"{ONE}/secret", data=held)
    assert stale.status_code == 412
    assert "Modifié entre-temps" in stale.text
    assert console.request("POST", f"{ONE}/suspend", data=held).status_code == 412


def test_a_client_without_secret_is_offered_none(console: Console) -> None:
    assert 'id="rotate"' not in console.get(f"{CLIENTS}/public").text
    assert console.send(f"{CLIENTS}/public/secret", f"{CLIENTS}/public").status_code == 409


def test_the_name_of_a_client_is_text(console: Console) -> None:
    hostile = client("hostile", client_name="<script>alert(1)</script>")
    console.wire.call(lambda provider: provider.store.clients.put(hostile))
    for path in (CLIENTS, f"{CLIENTS}/hostile"):
        assert "<script>alert" not in console.get(path).text
