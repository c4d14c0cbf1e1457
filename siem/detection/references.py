"""What correlations and baselines refer to: found, put in order, and able to give the fields that are asked of it.

A correlation whose reference was refused is refused too, and one that groups or counts by a field that a rule behind it never has would
find nothing, without a word.
"""

from collections.abc import Callable, Mapping
from typing import Final

from siem.detection.baseline.document import Baseline
from siem.detection.correlations import Correlation
from siem.detection.selections import RuleMistake

#: Correlations over one another, at most.
MAX_LEVELS: Final = 20


class References:
    """Resolves the correlations of a rule set.

    ``lookup`` gives the id for a name or id, or raises RuleMistake; ``lacks`` gives None where a rule on single events, or a baseline, can
    give a field under its Sigma name, else what may have been meant; ``refuse`` is told of each correlation left out.
    """

    def __init__(
        self,
        correlations: Mapping[str, Correlation],
        lookup: Callable[[str], str],
        lacks: Callable[[str, str], str | None],
        refuse: Callable[[str, RuleMistake], None],
    ) -> None:
        self._correlations = correlations
        self._lookup = lookup
        self._lacks_field = lacks
        self._refuse = refuse
        self._levels: dict[str, int] = {}
        self._refused: set[str] = set()
        #: Ids of the correlations that hold, children before parents, with the ids of what they refer to.
        self.inputs: dict[str, tuple[str, ...]] = {}
        for rule_id in correlations:
            self._visit(rule_id, ())

    def _visit(self, rule_id: str, above: tuple[str, ...]) -> None:
        if rule_id in self.inputs or rule_id in self._refused:
            return
        try:
            inputs = self._resolved(rule_id, (*above, rule_id))
            self._check_fields(rule_id, inputs)
        except RuleMistake as mistake:
            self._refused.add(rule_id)
            self._refuse(rule_id, mistake)
        else:
            self.inputs[rule_id] = inputs

    def _resolved(self, rule_id: str, path: tuple[str, ...]) -> tuple[str, ...]:
        inputs: list[str] = []
        level = 0
        for reference in self._correlations[rule_id].references:
            found = self._lookup(reference)
            if found in path:
                raise _mistake(f"«{reference}» refers back to this correlation")
            if found in self._correlations:
                if len(path) < MAX_LEVELS:
                    self._visit(found, path)
                if found in self._refused:
                    raise _mistake(f"«{reference}» was refused")
                level = max(level, self._levels.get(found, MAX_LEVELS) + 1)
            inputs.append(found)
        if level >= MAX_LEVELS:
            raise _mistake(f"more than {MAX_LEVELS} correlations stand over one another")
        self._levels[rule_id] = level
        return tuple(inputs)

    def _check_fields(self, rule_id: str, inputs: tuple[str, ...]) -> None:
        one = self._correlations[rule_id]
        for reference, child in zip(one.references, inputs, strict=True):
            for name, path in (*((name, ("group-by",)) for name in one.group_by), *((name, ("condition", "field")) for name in one.fields)):
                translated = one.field_of(reference, name)
                meant = self._lacks(child, translated)
                if meant is not None:
                    said = f"«{translated}»" if translated == name else f"«{translated}», which «{name}» stands for"
                    raise RuleMistake(f"the rule «{reference}» has no field {said}{meant}", "correlation", *path)

    def _lacks(self, child: str, name: str) -> str | None:
        correlation = self._correlations.get(child)
        if correlation is None:
            return self._lacks_field(child, name)
        if name in correlation.group_by:
            return None
        return next((meant for one in self.inputs[child] if (meant := self._lacks(one, name)) is not None), None)


def inputs_of(
    said: Baseline, lookup: Callable[[str], str], is_single: Callable[[str], bool], lacks: Callable[[str, str], str | None]
) -> tuple[str, ...]:
    """The ids of the rules on single events that a baseline refers to, each once. Raises RuleMistake.

    ``lookup`` and ``lacks`` as for :class:`References`.
    """
    place = ("veilleur", "baseline")
    found: dict[str, None] = {}
    for reference in said.references:
        rule_id = lookup(reference)
        if not is_single(rule_id):
            raise RuleMistake(f"«{reference}» is not a rule on single events", *place, "rules")
        for key, names in (("group-by", said.group_by), ("field", said.fields), ("peers", said.peers)):
            for name in names:
                if (meant := lacks(rule_id, name)) is not None:
                    raise RuleMistake(f"the source of «{reference}» has no field «{name}»{meant}", *place, key)
        found[rule_id] = None
    return tuple(found)


def _mistake(problem: str) -> RuleMistake:
    return RuleMistake(problem, "correlation", "rules")
