from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from siem.console.histogram import HEIGHT, WIDTH, draw
from siem.store.events import Bucket

START = datetime(2026, 11, 22, tzinfo=UTC)


@given(st.lists(st.integers(min_value=0, max_value=10**9), max_size=200))
def test_bars_stay_in_the_drawing_and_follow_the_counts(counts: list[int]) -> None:
    hours = [START + timedelta(hours=number) for number in range(len(counts) + 1)]
    drawing = draw([Bucket(start, end, count) for start, end, count in zip(hours, hours[1:], counts, strict=False)])
    assert (drawing.total, drawing.highest) == (sum(counts), max(counts, default=0))
    for bar in drawing.bars:
        assert 0 <= bar.x <= WIDTH and 0 <= bar.y <= HEIGHT and abs(bar.y + bar.height - HEIGHT) <= 0.1
        assert (bar.height > 0) == (bar.bucket.count > 0)
    by_count = sorted(drawing.bars, key=lambda bar: bar.bucket.count)
    assert [bar.height for bar in by_count] == sorted(bar.height for bar in drawing.bars)
