from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from siem.declarations.form import DeadlineRule, FormField, Words
from siem.declarations.forms import load_forms
from tests.siem.declarations.world import FORMS_FOLDER

FIELD: dict[str, Any] = {"key": "a.b", "label": {"fr": "Quoi ?", "en": "What?"}, "type": "text", "from": "saisie", "evidence": "P"}
RULE: dict[str, Any] = {
    "id": "r",
    "label": {"fr": "r", "en": "r"},
    "trigger": "aware_at",
    "force": "legal",
    "after": "PT72H",
    "warn_before": "PT24H",
    "legal_basis": "x",
    "evidence": "L",
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": "choice"}, "values are expected"),
        ({"values": [{"code": "x", "fr": "x", "en": "x"}]}, "values are expected"),
        ({"type": "rows"}, "columns are expected"),
        ({"type": "choice", "values": [{"code": "x", "fr": "x", "en": "x"}] * 2}, "given twice"),
        ({"type": "choices", "values": [{"code": "x", "fr": "x", "en": "x"}], "exclusive": ["y"]}, "no such code"),
        ({"key": "Nom"}, "pattern"),
        ({"surprise": 1}, "Extra inputs"),
    ],
)
def test_a_field_that_contradicts_itself_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FormField.model_validate(FIELD | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"force": "target"}, "word"),
        ({"after": "72h"}, "duration"),
        ({"trigger": "yesterday"}, "pattern"),
        ({"warn_before": "P1M"}, "days or hours"),
    ],
)
def test_a_deadline_that_contradicts_itself_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        DeadlineRule.model_validate(RULE | changes)


def test_french_words_get_french_spacing() -> None:
    words = Words(fr="Quoi ?", en="What?")
    assert (words.text("fr"), words.text("en")) == ("Quoi\u202f?", "What?")


def test_a_form_is_in_force_from_its_first_day_to_the_day_before_its_last() -> None:
    form = load_forms(FORMS_FOLDER).forms[0].model_copy(update={"valid_from": date(2026, 1, 1), "valid_until": date(2026, 6, 1)})
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 5, 31), date(2026, 6, 1)]
    assert [form.in_force(day) for day in days] == [False, True, True, False]
