"""Templates, messages and preferences: every page in both languages, sound, and without anything inline."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from idp.endpoints.pages import LANGUAGES, WEB_FOLDER, french_spaces, pages, preferences
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.endpoints.login_flow import CAMILLE, Provider, running_provider

TEXTS = {language: pages().messages(language).texts for language in LANGUAGES}
#: Keys that a template or a script puts together from a state or a name.
BUILT = (
    "login.device.",
    "login.certificate.",
    "login.level.",
    "card.card_",
    "card.too_many_attempts.",
    "fault.",
    "consent.scope.",
    "wait.",
    "theme.",
    "gone.",
    "refused.",
    "busy.",
    "phone.done.",
    "phone.error.",
    "login.error.",
    "device.done.",
    "device.error.",
    "sessions.ended.",
    "sessions.notices.",
    "developers.door.",
    "developers.rule.",
    "developers.value.",
    "console.tabs.",
    "console.problem.",
    "console.client.done.",
    "console.person.done.",
    "console.verdict.",
    "console.phone.",
    "console.key.state.",
    "console.key.rotated",
    "console.key.withdrawn",
    "console.outcome.",
    "console.registration.c",
    "console.registration.same",
)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as running:
        yield running


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_messages() -> None:
    assert TEXTS["fr"].keys() == TEXTS["en"].keys()
    assert [key for key in TEXTS["fr"] if _places(TEXTS["fr"][key]) != _places(TEXTS["en"][key])] == []
    assert [key for language in LANGUAGES for key, text in TEXTS[language].items() if not text.strip()] == []


def test_no_message_is_defined_twice() -> None:
    for language in LANGUAGES:
        tops = re.findall(r"^(\w+):", (WEB_FOLDER / f"messages/{language}.yaml").read_text("utf-8"), re.MULTILINE)
        assert len(tops) == len(set(tops))


def test_every_message_is_used_and_every_used_one_exists() -> None:
    sources = [path.read_text("utf-8") for path in (*WEB_FOLDER.glob("templates/**/*.html"), *WEB_FOLDER.parent.glob("endpoints/**/*.py"))]
    scripts = [path.read_text("utf-8") for path in WEB_FOLDER.glob("static/*.js")]
    used = {key for text in sources for key in re.findall(r"""(?:\bt|texts)\(\s*["']([\w.]+)["'][,)]""", text)}
    used |= {key for text in sources for key in re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', text) if key in TEXTS["fr"]}
    used |= {f"phone.{key}" for text in scripts for key in re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', text) if f"phone.{key}" in TEXTS["fr"]}
    called = {f"phone.{key}" for text in scripts for key in re.findall(r'\btext\("([\w.]+)"', text)}
    assert (used | called) - TEXTS["fr"].keys() == set()
    assert [key for key in TEXTS["fr"] if key not in used | called and not key.startswith(BUILT)] == []


def test_french_has_its_unbreakable_spaces() -> None:
    wrong = [text for text in TEXTS["fr"].values() if re.search(r" [:;!?»]|« |[^\s\u00a0\u202f][;!?](?!\w)", text)]
    assert wrong == []
    assert french_spaces("Quoi ? « oui » : non !") == "Quoi\u202f? «\u00a0oui\u00a0»\u00a0: non\u202f!"


def test_english_has_none() -> None:
    assert [text for text in TEXTS["en"].values() if re.search(r"[\u00a0\u202f]| [:;!?]", text)] == []


def _request(headers: Mapping[str, str] | None = None, query: str = "") -> Request:
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in (headers or {}).items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": raw, "scheme": "http"})


@pytest.mark.parametrize(
    ("query", "cookie", "ui_locales", "accepted", "language"),
    [
        ("lang=en", "veilleur_lang=fr", "fr", "fr", "en"),
        ("lang=de", "veilleur_lang=en", "fr", "fr", "en"),
        ("", "", "de en-GB", "fr", "en"),
        ("", "", "", "de;q=0.9, en-US;q=0.8, fr;q=0.1", "en"),
        ("", "", "", "fr;q=0.5, en", "en"),
        ("", "", "", "en;q=0", "fr"),
        ("", "", "", "", "fr"),
    ],
)
def test_the_language_is_the_nearest_choice(query: str, cookie: str, ui_locales: str, accepted: str, language: str) -> None:
    request = _request({"cookie": cookie, "accept-language": accepted}, query)
    assert preferences(request, ui_locales).language == language


@given(st.text(max_size=200), st.text(max_size=50))
def test_no_header_breaks_the_choice_of_language(accepted: str, locales: str) -> None:
    assert preferences(_request({"accept-language": accepted}), locales).language in LANGUAGES


def test_a_chosen_language_and_theme_are_kept(provider: Provider) -> None:
    browser = provider.browser()
    page = browser.get("/phone/?lang=en&theme=dark")
    assert '<html lang="en" data-theme="dark">' in page.text
    again = browser.get("/phone/")
    assert '<html lang="en" data-theme="dark">' in again.text
    assert again.headers["content-language"] == "en"


def _every_page(provider: Provider, language: str) -> Iterator[tuple[str, str, str]]:
    """Name, text and content security policy of each page a person can meet."""
    browser = provider.browser(language=language)
    login = browser.begin()
    yield "identify", *_read(browser.get(login))
    yield "identify, wrong", *_read(browser.identify(login, "99700000006"))
    browser.identify(login, CAMILLE)
    yield "wait", *_read(browser.wait(login))
    for outcome in ("deny", "report", "wrong_code", "expire"):
        browser.identify(login, CAMILLE)
        (pending,) = provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"]
        provider.control("POST", f"approvals/{pending['id']}", {"outcome": outcome})
        yield outcome, *_read(browser.wait(login))
    yield "refused", *_read(browser.request("POST", login, data={"csrf": "0"}))
    yield "gone", *_read(browser.get("/login/unknown"))
    yield "unanswerable", *_read(browser.get("/auth?client_id=nobody"))
    yield "phone", *_read(browser.get("/phone/"))
    yield "enrol", *_read(browser.get("/phone/enrol?code=X"))


def _read(answer: object) -> tuple[str, str]:
    return answer.text, answer.headers["content-security-policy"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_sound_in_its_language(provider: Provider, language: str) -> None:
    for name, text, policy in _every_page(provider, language):
        assert faults_of(text) == [], name
        assert f'<html lang="{language}">' in text, name
        assert "default-src" in policy, name
        assert "unsafe" not in policy, name
        assert len(text.encode()) < 100_000, name


def test_the_checks_of_pages_see_what_they_should() -> None:
    sound = '<!doctype html><html lang="fr"><title>t</title><main><h1>h</h1></main></html>'
    assert faults_of(sound) == []
    for fault in ('<p style="x">', "<script>1</script>", "<img src=a>", '<a href="https://x">', "<input>", '<b id="a"><i id="a">', "</p>"):
        assert faults_of(sound.replace("<h1>", f"{fault}<h1>")), fault


def test_static_files_hold_nothing_from_elsewhere(provider: Provider) -> None:
    for path in (WEB_FOLDER / "static").iterdir():
        answer = provider.client.get(f"/assets/{path.name}")
        assert answer.status_code == 200
        foreign = set(re.findall(r"https?://[^\s\"')]+", answer.text)) - {"http://www.w3.org/2000/svg"}
        assert foreign == set(), path.name
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert provider.client.get("/assets/../pages.py").status_code == 404
