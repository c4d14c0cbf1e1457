"""One line of the report, and how the lines are shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Reference(NamedTuple):
    """Another measure of the same run, in the same unit, that a row is held against; without a value its name says why."""

    value: float | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure. ``value`` is a rate per CPU-second unless ``unit`` says otherwise.

    ``budget`` is what architecture asks for, ``limit`` what bounds or rivals the measure on this machine, in the same
    unit; both may be unknown; ``others`` are further ones. ``spread``: the least and the most of several measures whose median
    ``value`` is. ``lower_is_better`` for seconds and megabytes.
    """

    name: str
    value: float
    unit: str
    budget: float | None = None
    limit: float | None = None
    limit_name: str = ""
    lower_is_better: bool = False
    spread: tuple[float, float] | None = None
    others: tuple[Reference, ...] = ()

    @property
    def within_budget(self) -> bool:
        """True without a budget."""
        if self.budget is None:
            return True
        return self.value <= self.budget if self.lower_is_better else self.value >= self.budget

    def cells(self) -> tuple[str, ...]:
        """What each column shows."""
        references = (*([] if self.limit is None else [Reference(self.limit, self.limit_name)]), *self.others)
        ratios = "; ".join(self._ratio(reference) for reference in references)
        budget = "" if self.budget is None else f"{'≤' if self.lower_is_better else '≥'} {_number(self.budget)}"
        verdict = "" if self.budget is None else ("kept" if self.within_budget else "missed")
        spread = f"{_number(self.spread[0])} to {_number(self.spread[1])}" if self.spread else ""
        return self.name, _number(self.value), spread, self.unit, budget, verdict, ratios

    def _ratio(self, reference: Reference) -> str:
        value, name = reference
        if value is None:
            return name
        ratio = self.value / value
        return f"{ratio:{'.2f' if ratio >= 0.1 else '.2g'}} of {_number(value)} ({name})"


HEAD = ("what", "measured", "spread", "unit", "budget", "", "of its limit or peer")


def table(rows: Iterable[Row]) -> str:
    """The rows under each other, columns aligned."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    numeric = {1, 4}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in numeric else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.2f}"
