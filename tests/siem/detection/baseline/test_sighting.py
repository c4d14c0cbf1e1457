import pytest

from siem.detection.baseline.sighting import number_text


@pytest.mark.parametrize(("measure", "text"), [(4.0, "4"), (4.5, "4.5"), (300.0, "300"), (2.25, "2.2")])
def test_a_measure_is_shown_whole_or_with_one_decimal(measure: float, text: str) -> None:
    assert number_text(measure) == text
