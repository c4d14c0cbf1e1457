"""A histogram as inline SVG: no script, no style attribute, a title and a description, and each bar a link that narrows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from siem.store.events import Bucket

WIDTH: Final = 960
HEIGHT: Final = 120
_GAP: Final = 2
_SMALLEST: Final = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in the units of the drawing; the link covers its whole column so that a short bar can be clicked."""

    bucket: Bucket
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """The bars with the highest count, which gives the scale."""

    bars: tuple[Bar, ...]
    highest: int
    total: int


def draw(buckets: Sequence[Bucket]) -> Drawing:
    """Bars of equal width, as high as their count; any event at all is at least visible."""
    highest = max((bucket.count for bucket in buckets), default=0)
    step = WIDTH / len(buckets) if buckets else 0
    bars = []
    for position, bucket in enumerate(buckets):
        height = max(_SMALLEST, round(bucket.count / highest * HEIGHT, 1)) if bucket.count else 0
        bars.append(Bar(bucket, round(position * step, 1), round(HEIGHT - height, 1), round(max(1, step - _GAP), 1), height))
    return Drawing(tuple(bars), highest, sum(bucket.count for bucket in buckets))
