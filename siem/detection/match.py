"""Which single-event rules match an event: routing by log source, then the conditions of the rules routed there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from siem.detection.conditions import compile_tree
from siem.detection.load import CompiledRule, Variant
from siem.detection.predicates import Test, View, text_of

#: Distinct combinations of routing values remembered; an event source that varies them without end only costs time.
_MAX_ROUTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Candidate:
    """One rule as it reads one family of log sources."""

    rule: CompiledRule
    variant: Variant
    test: Test


class Matcher:
    """Finds the rules that match an event."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self._candidates = tuple(Candidate(rule, variant, compile_tree(variant.tree)) for rule in rules for variant in rule.variants)
        names = {name for one in self._candidates for source in one.variant.sources for name in source.select}
        self._routing: tuple[str, ...] = tuple(sorted(names))
        self._routes: dict[tuple[str, ...], tuple[Candidate, ...]] = {}

    def match(self, view: View) -> Iterator[Candidate]:
        """Rules that match, each once, in the order they were loaded."""
        last: CompiledRule | None = None
        for candidate in self.route(view.fields):
            if candidate.rule is not last and candidate.test(view):
                last = candidate.rule
                yield candidate

    def route(self, fields: Mapping[str, object]) -> tuple[Candidate, ...]:
        """The rules that read this kind of event."""
        key = tuple([text_of(fields.get(name, "")) for name in self._routing])
        found = self._routes.get(key)
        if found is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            values = dict(zip(self._routing, (text.lower() for text in key), strict=True))
            found = self._routes[key] = tuple(
                one
                for one in self._candidates
                if any(all(values[name] in wanted for name, wanted in source.select.items()) for source in one.variant.sources)
            )
        return found
