"""One line of the report, and how the lines are shown."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure. ``value`` is a rate per CPU-second unless ``unit`` says otherwise.

    ``budget`` is what architecture asks for, ``limit`` what bounds or rivals the measure on this machine, in the same
    unit; both may be unknown. ``lower_is_better`` for seconds and megabytes.
    """

    name: str
    value: float
    unit: str
    budget: float | None = None
    limit: float | None = None
    limit_name: str = ""
    lower_is_better: bool = False

    @property
    def within_budget(self) -> bool:
        """True without a budget."""
        if self.budget is None:
            return True
        return self.value <= self.budget if self.lower_is_better else self.value >= self.budget

    def cells(self) -> tuple[str, ...]:
        """What each column shows."""
        ratio = "" if self.limit is None else f"{self.value / self.limit:.2f} of {_number(self.limit)} ({self.limit_name})"
        budget = "" if self.budget is None else f"{'≤' if self.lower_is_better else '≥'} {_number(self.budget)}"
        verdict = "" if self.budget is None else ("kept" if self.within_budget else "missed")
        return self.name, _number(self.value), self.unit, budget, verdict, ratio


HEAD = ("what", "measured", "unit", "budget", "", "of its limit or peer")


def table(rows: Iterable[Row]) -> str:
    """The rows under each other, columns aligned."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    numeric = {1, 3}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in numeric else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.2f}"
