import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.access import Role
from siem.console.language import SUPPORTED, choose, french_spaces, load
from siem.declarations.desk import DeskState
from siem.declarations.model import DossierState, Phase
from siem.incidents.model import CRITERIA, AlertState, IncidentState, Severity, Verdict
from siem.response.actions import ACTIONS
from siem.response.model import ActionClass, RunState, StepState

LANGUAGES = load()
CONSOLE = Path(__file__).parents[3] / "siem" / "console"
_KEY = re.compile(r"""\b(t|text|n|count)\(\s*["']([a-z_.0-9A-Z]+)["']\s*[,)]""")


def _used() -> set[str]:
    keys = set()
    for file in [*CONSOLE.glob("templates/*.html"), *CONSOLE.glob("*.py")]:
        for function, key in _KEY.findall(file.read_text(encoding="utf-8")):
            keys |= {key} if function in {"t", "text"} else {f"{key}_one", f"{key}_other"}
    return keys


def test_both_languages_hold_the_same_sentences() -> None:
    assert LANGUAGES["fr"].messages.keys() == LANGUAGES["en"].messages.keys()


@pytest.mark.parametrize("code", SUPPORTED)
def test_every_sentence_a_page_asks_for_exists(code: str) -> None:
    used = _used()
    assert len(used) > 200
    assert used - LANGUAGES[code].messages.keys() == set()


def test_a_sentence_has_the_same_placeholders_in_both_languages() -> None:
    def names(sentence: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}

    french, english = LANGUAGES["fr"].messages, LANGUAGES["en"].messages
    assert [key for key in french if names(french[key]) != names(english[key])] == []


@pytest.mark.parametrize("code", SUPPORTED)
def test_every_state_of_the_watch_has_its_word(code: str) -> None:
    vocabularies = {
        "role": Role,
        "severity": Severity,
        "alert_state": AlertState,
        "verdict": Verdict,
        "incident_state": IncidentState,
        "run_state": RunState,
        "step_state": StepState,
        "action_class": ActionClass,
        "dossier_state": DossierState,
        "desk_state": DeskState,
        "phase": Phase,
    }
    missing = [
        f"{prefix}.{member.value}"
        for prefix, members in vocabularies.items()
        for member in members
        if not LANGUAGES[code].has(f"{prefix}.{member.value}")
    ]
    missing += [name for kind in ACTIONS for name in kind.outputs if not LANGUAGES[code].has(f"step_output.{name}")]
    missing += [name for name in CRITERIA if not LANGUAGES[code].has(f"criterion.{name}")]
    assert missing == []


def test_french_gets_its_non_breaking_spaces_when_loaded() -> None:
    assert french_spaces("Pourquoi ? «Non» : voilà ; oui ! 12 %") == "Pourquoi\u202f? «Non»\u00a0: voilà\u202f; oui\u202f! 12\u00a0%"
    assert french_spaces("« Non »") == "«\u00a0Non\u00a0»"


def test_no_french_sentence_keeps_an_ordinary_space_before_double_punctuation() -> None:
    assert [key for key, sentence in LANGUAGES["fr"].messages.items() if re.search(r" [:;!?»]|« ", sentence)] == []


@pytest.mark.spec("RFC9110-12.5.4")
@pytest.mark.parametrize(
    ("preferred", "accepted", "chosen"),
    [
        (None, None, "fr"),
        (None, "en-GB,en;q=0.9", "en"),
        (None, "de, en;q=0.4, fr;q=0.8", "fr"),
        (None, "en;q=0, de", "fr"),
        ("en", "fr", "en"),
        ("xx", "en", "en"),
        (None, "en;q=oops, fr;q=0.1", "fr"),
    ],
)
def test_the_language_is_the_chosen_one_then_the_browsers_then_french(preferred: str | None, accepted: str | None, chosen: str) -> None:
    assert choose(preferred, accepted) == chosen


@given(st.text(max_size=200))
def test_any_accept_language_gives_a_supported_language(header: str) -> None:
    assert choose(None, header) in SUPPORTED


def test_zero_is_singular_in_french_and_plural_in_english() -> None:
    assert LANGUAGES["fr"].count("queue.total", 0) == "0 alerte"
    assert LANGUAGES["en"].count("queue.total", 0) == "0 alerts"
    assert LANGUAGES["fr"].count("queue.total", 1234) == "1\u202f234 alertes"


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert LANGUAGES["fr"].label("entity", "badge") == "badge"
