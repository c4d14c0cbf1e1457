import pytest

from tests.idp.endpoints.console.entering import Console
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import NATIONAL_ID

AUDIT = "/administration/audit"
SINCE = {"from_at": "2026-11-22T00:00"}


def test_events_are_found_by_person_client_action_and_request(console: Console) -> None:
    reference = console.wire.authorize("baseline", redirect_uri="https://evil.example/").headers["x-request-id"]
    for form in ({"reference": reference}, {"client_id": "baseline"}, {"action": "authorization.refused"}):
        page = console.send(AUDIT, AUDIT, **SINCE, **form).text
        assert faults_of(page) == []
        assert "redirect_uri is not one that this service registered" in page
    mine = console.send(AUDIT, AUDIT, **SINCE, national_id=NATIONAL_ID).text
    assert "administration.entered" in mine and "evil.example" not in mine


def test_the_time_is_that_of_the_wall_in_paris(console: Console) -> None:
    found = "administration.entered</span>"
    assert found in console.send(AUDIT, AUDIT, from_at="2026-11-22T21:00").text
    assert found not in console.send(AUDIT, AUDIT, from_at="2026-11-22T21:01").text
    assert found not in console.send(AUDIT, AUDIT, from_at="2026-11-22T20:00", to_at="2026-11-22T21:00").text


def test_a_search_leaves_a_trace_with_who_searched(console: Console) -> None:
    console.send(AUDIT, AUDIT, **SINCE, national_id=NATIONAL_ID)
    [event] = console.wire.events("audit.searched")
    assert (event["health.actor.id"], event["user.id"]) == (NATIONAL_ID, NATIONAL_ID)


@pytest.mark.parametrize("form", [{}, {"from_at": "yesterday"}, {**SINCE, "action": "nothing.such"}])
def test_a_search_that_cannot_be_read_says_so(console: Console, form: dict[str, str]) -> None:
    answer = console.send(AUDIT, AUDIT, **form)
    assert answer.status_code == 422
    assert faults_of(answer.text) == []


def test_a_person_whom_nobody_knows_has_no_events(console: Console) -> None:
    answer = console.send(AUDIT, AUDIT, **SINCE, national_id="899700000099")
    assert answer.status_code == 200
    assert "Aucun événement ne correspond" in answer.text


def test_what_an_event_says_is_text(console: Console) -> None:
    console.wire.http.get("http://127.0.0.1:8800/auth", params={"client_id": "<script>alert(1)</script>"}, headers={"User-Agent": "<b>x"})
    page = console.send(AUDIT, AUDIT, **SINCE).text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page and "<b>x" not in page
