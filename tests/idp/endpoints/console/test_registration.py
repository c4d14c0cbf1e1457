import html
import re
from typing import Any

import pytest

from tests.idp.endpoints.console.entering import CLIENTS, Console
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import NATIONAL_ID

NEW = "/administration/registration"
ENTRY = """client_id: laboratoire
client_name: Laboratoire d’Exemple
redirect_uris: [https://labo.example/retour]
"""


def _held(page: str) -> dict[str, str]:
    """What a browser would send back of this page, its text included."""
    held = dict(re.findall(r'name="(csrf|version|checked)" value="([^"]*)"', page))
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)
    assert found
    return {**held, "entry": html.unescape(found[1]).replace("\n", "\r\n")}


def _check(console: Console, path: str, text: str) -> Any:
    return console.request("POST", path, data={**_held(console.get(path).text), "entry": text, "act": "check"})


def _save(console: Console, path: str, page: str, **changes: str) -> Any:
    return console.request("POST", path, data={**_held(page), "act": "save", **changes})


def _stored(console: Console, client_id: str) -> Any:
    return console.wire.call(lambda provider: provider.store.clients.get(client_id))


def test_a_service_is_registered_after_a_look_and_its_secret_is_shown_once(console: Console) -> None:
    looked = _check(console, NEW, ENTRY)
    assert faults_of(looked.text) == []
    assert "Ce service sera créé" in looked.text
    assert _stored(console, "laboratoire") is None
    saved = _save(console, NEW, looked.text)
    assert re.search(r'id="secret">[^<]{40,}<', saved.text)
    assert _stored(console, "laboratoire").redirect_uris == ("https://labo.example/retour",)
    (event,) = [event for event in console.wire.events("client.changed") if event["health.relying_party.id"] == "laboratoire"]
    assert event["health.actor.id"] == NATIONAL_ID


def test_a_change_shows_before_and_after_and_only_then_counts(console: Console) -> None:
    path = f"{CLIENTS}/baseline/registration"
    text = _held(console.get(path).text)["entry"]
    assert _save(console, path, console.get(path).text).status_code == 200, "a text that was never checked is only looked at"
    looked = _check(console, path, text.replace("https://service.example/retour", "https://service.example/nouveau"))
    (before,), (after,) = (re.findall(f"<{mark}>(.*?)</{mark}>", looked.text) for mark in ("del", "ins"))
    assert ("/retour" in before, "/nouveau" in after) == (True, True)
    assert _save(console, path, looked.text).headers["location"] == f"{CLIENTS}/baseline?done=saved"
    assert "https://service.example/nouveau" in _stored(console, "baseline").redirect_uris


def test_what_is_saved_is_what_was_looked_at(console: Console) -> None:
    looked = _check(console, NEW, ENTRY)
    again = _save(console, NEW, looked.text, entry=ENTRY.replace("labo.example", "evil.example"))
    assert "evil.example" in again.text
    assert _stored(console, "laboratoire") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must be the members of one client"),
        ("- a", "must be the members of one client"),
        ("a: [", "cannot be read"),
        ("a: " + "[" * 20_000, "cannot be read"),
        ("a: &a [1]\nb: *a", "aliases"),
        (ENTRY.replace("https://", "http://"), "redirect_uris"),
        (ENTRY + "unknown_member: 1\n", "unknown_member"),
        (ENTRY.replace("laboratoire", "../keys"), "client_id"),
        (ENTRY.replace("Laboratoire", "<script>alert(1)</script>").replace("redirect_uris", "x"), "x: Extra inputs"),
    ],
)
def test_a_text_that_cannot_be_registered_is_given_back_with_what_is_wrong(console: Console, text: str, told: str) -> None:
    answer = _check(console, NEW, text)
    assert answer.status_code == 422
    assert told in html.unescape(answer.text)
    assert faults_of(answer.text) == []
    assert "<script>alert" not in answer.text
    assert 'value="save"' not in answer.text


def test_a_service_that_is_there_already_is_not_overwritten_by_a_new_one(console: Console) -> None:
    before = _stored(console, "baseline")
    looked = _check(console, NEW, ENTRY.replace("laboratoire", "baseline"))
    assert _save(console, NEW, looked.text).status_code == 412
    assert _stored(console, "baseline") == before


def test_a_registration_that_changed_meanwhile_is_not_overwritten(console: Console) -> None:
    path = f"{CLIENTS}/baseline/registration"
    text = _held(console.get(path).text)["entry"]
    looked = _check(console, path, text.replace("/retour", "/nouveau"))
    assert console.send(f"{CLIENTS}/baseline/suspend", f"{CLIENTS}/baseline").status_code == 303
    assert _save(console, path, looked.text).status_code == 412
    assert _stored(console, "baseline").disabled


def test_a_service_keeps_its_name(console: Console) -> None:
    path = f"{CLIENTS}/baseline/registration"
    text = _held(console.get(path).text)["entry"]
    answer = _check(console, path, text.replace("client_id: baseline", "client_id: other"))
    assert answer.status_code == 422
    assert "client_id" in answer.text


def test_what_is_not_met_is_said_before_it_is_registered(console: Console) -> None:
    looked = _check(console, NEW, ENTRY.replace("client_id", "profile: fapi2\ntoken_endpoint_auth_method: client_secret_basic\nclient_id"))
    assert looked.status_code == 422, "a registration that its profile forbids is refused"
    looked = _check(console, NEW, ENTRY + "token_endpoint_auth_method: client_secret_post\n")
    assert "Recommandé" in looked.text
