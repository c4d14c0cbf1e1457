import pytest

from siem.event import text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Text", "Text"),
        ("", ""),
        (4624, "4624"),
        (True, "true"),
        (False, "false"),
        (2.0, "2"),
        (2.5, "2.5"),
        (float(2**70), str(float(2**70))),
    ],
)
def test_a_value_compares_by_one_text_whatever_its_type(value: object, text: str) -> None:
    assert text_of(value) == text
