import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.response.condition import ConditionError, parse_condition

VALUES = {"__n__": "12", "__grade__": "high", "__who__": "P-AAAA,P-BBBB", "__none__": ""}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("__n__:value > 9", True),
        ("__n__:value > '9'", True),
        ("__n__:value <= 11", False),
        ("__grade__:value = 'high'", True),
        ("__grade__:value != 'high'", False),
        ("__grade__:value IN ('low', 'high')", True),
        ("__who__:value LIKE 'P-%'", True),
        ("__who__:value LIKE 'P-____,P-BBBB'", True),
        ("__who__:value LIKE '.*'", False),
        ("NOT __grade__:value = 'low' AND __n__:value >= 12", True),
        ("__n__:value = 0 OR __n__:value = 12 AND __grade__:value = 'low'", False),
        ("(__n__:value = 12 OR __n__:value = 0) AND __none__:value = ''", True),
        ("__unset__:value = 'x'", False),
        (r"__grade__:value = 'l\'eau'", False),
    ],
)
def test_a_condition_says_what_it_says(text: str, holds: bool) -> None:
    assert parse_condition(text).holds(VALUES) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "__n__",
        "__n__:value",
        "__n__:value ==",
        "__n__:value = 'x",
        "n:value = 1",
        "__n__:value = 1 AND",
        "(__n__:value = 1",
        "__n__:value IN 1",
        "1 = 1",
        "__n__:value = 1 __n__:value = 2",
        "__import__('os').system('true')",
        "(" * 30 + "__n__:value = 1" + ")" * 30,
        "NOT " * 30 + "__n__:value = 1",
    ],
)
def test_what_is_not_a_condition_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        parse_condition(text)


@given(st.text(alphabet="_nAND OR()'=<>%:value012", max_size=40))
def test_any_text_is_a_condition_or_an_error(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ConditionError:
        return
    assert condition.holds({}) in (True, False)
    assert condition.variables
