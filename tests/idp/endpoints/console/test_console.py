import pytest

from tests.idp.endpoints.console.entering import CLIENTS, Console
from tests.idp.endpoints.html_checks import faults_of

PAGES = (CLIENTS, f"{CLIENTS}/baseline", "/administration/people", "/administration/keys", "/administration/audit")


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_sound_in_both_languages(console: Console, path: str, language: str) -> None:
    page = console.get(path, language)
    assert page.status_code == 200
    assert faults_of(page.text) == []


@pytest.mark.parametrize("path", PAGES)
def test_no_page_shows_anything_to_who_has_not_entered(console: Console, path: str) -> None:
    outside = Console(console.wire)
    assert outside.get(path).text == outside.get(CLIENTS).text.replace("nothing to replace", "")
    assert "baseline" not in outside.get(path).text


def test_the_first_page_is_that_of_the_clients(console: Console) -> None:
    assert console.get("/administration").headers["location"] == CLIENTS


def test_what_is_nowhere_is_a_page_that_says_so(console: Console) -> None:
    answer = console.get(f"{CLIENTS}/nobody")
    assert answer.status_code == 404
    assert faults_of(answer.text) == []
