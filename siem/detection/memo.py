"""Answers remembered for values of log fields, all within one bound.

What is asked for again stays: memory has two generations, and when the young one is full the old one is let go of. A value that comes
back in time moves from the old to the young one; one that never comes back (an identifier, an instant) is gone after two.
"""

from typing import Final

#: Characters of remembered values in one generation, over all memos.
_GENERATION: Final = 24_000_000
#: What a remembered value costs besides its characters.
_ENTRY_COST: Final = 120
#: A longer value is not remembered: it hardly ever comes again.
MAX_VALUE: Final = 4096

#: A field's value: texts as they are, whole numbers as numbers.
Value = str | int
Answer = tuple[int, ...]


class Memory:
    """The bound over all memos. Not for several threads at once."""

    __slots__ = ("_filling", "_resting", "spent", "turns")

    def __init__(self) -> None:
        self.spent = 0
        #: How often a generation was let go of.
        self.turns = 0
        self._filling: set[Memo] = set()
        self._resting: set[Memo] = set()

    @property
    def held_count(self) -> int:
        """Answers remembered."""
        return sum(len(memo.young) + len(memo.old) for memo in self._filling | self._resting)

    def spend(self, memo: "Memo", size: int) -> None:
        """A memo has taken in a value of that size."""
        self._filling.add(memo)
        self.spent += size + _ENTRY_COST
        if self.spent > _GENERATION:
            self._turn()

    def _turn(self) -> None:
        for memo in self._resting - self._filling:
            memo.old = {}
        for memo in self._filling:
            memo.old, memo.young = memo.young, {}
        self._resting, self._filling = self._filling, set()
        self.spent = 0
        self.turns += 1


class Memo:
    """Answers for the values of one field. ``young`` is looked at by whoever is in a hurry; then :meth:`recall` is asked."""

    __slots__ = ("_memory", "old", "young")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.young: dict[Value, Answer] = {}
        self.old: dict[Value, Answer] = {}

    def recall(self, value: Value) -> Answer | None:
        """The answer, where the old generation has it; it is young again."""
        answer = self.old.pop(value, None)
        if answer is not None:
            self.keep(value, answer)
        return answer

    def keep(self, value: Value, answer: Answer) -> None:
        """Remember an answer."""
        self.young[value] = answer
        self._memory.spend(self, len(value) if type(value) is str else 0)

    def forget(self) -> None:
        """Let go of everything."""
        self.young, self.old = {}, {}
