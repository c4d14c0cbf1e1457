from datetime import UTC, date, datetime

import pytest

from siem.declarations.model import DossierState
from siem.declarations.wording import PROBLEMS, STATE_LABELS, day_text, french, instant_text, number_text, pick, problem


def test_french_spacing_is_put_where_it_belongs_and_nowhere_else() -> None:
    assert french("«oui» : vraiment ? a;b http://x") == "«\u00a0oui\u00a0»\u00a0: vraiment\u202f? a;b http://x"


def test_instants_are_told_in_paris() -> None:
    assert instant_text(datetime(2026, 11, 22, 2, 14, tzinfo=UTC)) == "22\u00a0nov.\u00a02026, 03:14"
    assert instant_text(datetime(2026, 7, 31, 22, 30, tzinfo=UTC)) == "1er\u00a0août\u00a02026, 00:30"
    assert day_text(date(2026, 2, 1), "en") == "1\u00a0Feb.\u00a02026"


def test_numbers_part_their_thousands() -> None:
    assert (number_text(524867), number_text(524867, "en"), number_text(47)) == ("524\u202f867", "524,867", "47")


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_can_be_told_in_both_languages(code: str) -> None:
    values = dict.fromkeys(("value", "count", "limit", "line", "names", "name", "problem", "what"), "x")
    assert problem(code, "fr", **values) != problem(code, "en", **values)


def test_every_state_has_its_words() -> None:
    assert set(STATE_LABELS) == set(DossierState)
    assert pick(STATE_LABELS[DossierState.CLOS], "en") == "Closed"
