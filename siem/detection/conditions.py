"""The condition of a rule: a tree of predicates, from its text to a function.

Precedence, least to most binding: ``or``, ``and``, ``not``, ``x of``, parentheses.

Source: Sigma specification 2.1.0, «Condition».
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from siem.detection.patterns import How
from siem.detection.predicates import ANYWHERE, Predicate, Test, TextIs, View, compiled, fields_of, over_values

#: A condition nested deeper than this is refused.
MAX_DEPTH: Final = 100
#: A condition that asks for more predicates, each counted as often as its selection is named, is refused.
MAX_PREDICATES: Final = 50_000


@dataclass(frozen=True, slots=True)
class Leaf:
    """One predicate."""

    predicate: Predicate


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every child holds."""

    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one child holds."""

    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """The child does not hold."""

    child: "Node"


Node = Leaf | AllOf | AnyOf | Negated


class ConditionError(ValueError):
    """A condition cannot be understood; the text says what was expected."""


def all_of(children: Sequence[Node]) -> Node:
    """A conjunction without needless levels."""
    flat: list[Node] = []
    for child in children:
        flat.extend(child.children if isinstance(child, AllOf) else (child,))
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def any_of(children: Sequence[Node]) -> Node:
    """A disjunction without needless levels."""
    flat: list[Node] = []
    for child in children:
        flat.extend(child.children if isinstance(child, AnyOf) else (child,))
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


def predicates(node: Node) -> Iterator[Predicate]:
    """Every predicate of a tree."""
    match node:
        case Leaf(predicate):
            yield predicate
        case Negated(child):
            yield from predicates(child)
        case AllOf(children) | AnyOf(children):
            for child in children:
                yield from predicates(child)


def settled(node: Node, fields: frozenset[str], view: View) -> Node | bool:
    """What is left of a tree for events that have the ``fields`` of ``view``: a smaller tree, or its truth."""
    match node:
        case Leaf(predicate):
            names = fields_of(predicate)
            known = bool(names) and fields.issuperset(names)
            return compiled(predicate)(view) if known else node
        case Negated(child):
            rest = settled(child, fields, view)
            return not rest if isinstance(rest, bool) else Negated(rest)
        case AllOf(children):
            return _settled_row(children, fields, view, absorbing=False)
        case AnyOf(children):
            return _settled_row(children, fields, view, absorbing=True)


def _settled_row(children: Sequence[Node], fields: frozenset[str], view: View, *, absorbing: bool) -> Node | bool:
    """A conjunction (one false child is enough) or a disjunction (one true child is enough)."""
    left: list[Node] = []
    for child in children:
        rest = settled(child, fields, view)
        if rest is absorbing:
            return absorbing
        if not isinstance(rest, bool):
            left.append(rest)
    if not left:
        return not absorbing
    return any_of(left) if absorbing else all_of(left)


_TOKEN: Final = re.compile(r"\s*([()|]|[^\s()|]+)")
_QUANTITIES: Final = frozenset({"1", "all", "any"})


def parse_condition(text: str, identifiers: Mapping[str, Node]) -> Node:
    """Read one condition. ``identifiers`` are the rule's named selections. Raises ConditionError."""
    tokens = _TOKEN.findall(text)
    if not tokens:
        raise ConditionError("the condition is empty")
    if "|" in tokens:
        raise ConditionError("aggregation after «|» is obsolete; write a correlation rule instead")
    parser = _Parser(tokens, identifiers)
    node = parser.disjunction(0)
    if parser.position < len(tokens):
        raise ConditionError(f"«{tokens[parser.position]}» is not expected here; write «and», «or» or the end")
    return node


class _Parser:
    def __init__(self, tokens: Sequence[str], identifiers: Mapping[str, Node]) -> None:
        self.tokens = tokens
        self.identifiers = identifiers
        self.position = 0
        self._sizes = {name: sum(1 for _ in predicates(node)) for name, node in identifiers.items()}
        self._size = 0

    def peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise ConditionError("the condition ends where a selection is expected")
        self.position += 1
        return token

    def accept(self, word: str) -> bool:
        token = self.peek()
        if token is not None and token.lower() == word:
            self.position += 1
            return True
        return False

    def disjunction(self, depth: int) -> Node:
        children = [self.conjunction(depth)]
        while self.accept("or"):
            children.append(self.conjunction(depth))
        return any_of(children)

    def conjunction(self, depth: int) -> Node:
        children = [self.negation(depth)]
        while self.accept("and"):
            children.append(self.negation(depth))
        return all_of(children)

    def negation(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ConditionError(f"nested deeper than {MAX_DEPTH} levels")
        if self.accept("not"):
            return Negated(self.negation(depth + 1))
        if self.accept("("):
            node = self.disjunction(depth + 1)
            if not self.accept(")"):
                raise ConditionError("a parenthesis is not closed")
            return node
        return self.selection()

    def selection(self) -> Node:
        token = self.take()
        following = self.peek()
        if token.lower() in _QUANTITIES and following is not None and following.lower() == "of":
            self.position += 1
            return self.quantified(token.lower(), self.take())
        node = self.identifiers.get(token)
        if node is None:
            known = ", ".join(self.identifiers) or "none"
            raise ConditionError(f"«{token}» is not a selection of this rule (it has: {known})")
        self.count(token)
        return node

    def count(self, name: str) -> None:
        self._size += self._sizes[name]
        if self._size > MAX_PREDICATES:
            raise ConditionError(f"the condition asks for more than {MAX_PREDICATES} comparisons")

    def quantified(self, quantity: str, pattern: str) -> Node:
        if pattern == "them":
            # Names that start with an underscore are hidden from patterns that do not ask for them.
            chosen = [name for name in self.identifiers if not name.startswith("_")]
        else:
            expression = re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
            chosen = [
                name for name in self.identifiers if expression.fullmatch(name) and (pattern.startswith("_") or not name.startswith("_"))
            ]
        if not chosen:
            raise ConditionError(f"«{quantity} of {pattern}» names no selection of this rule")
        for name in chosen:
            self.count(name)
        nodes = [self.identifiers[name] for name in chosen]
        return all_of(nodes) if quantity == "all" else any_of(nodes)


def compile_tree(node: Node) -> Test:
    """The tree as a function of an event."""
    match node:
        case Leaf(predicate):
            return compiled(predicate)
        case Negated(child):
            test = compile_tree(child)
            return lambda view: not test(view)
        case AllOf(children):
            return _conjunction([compile_tree(child) for child in sorted(children, key=_cost)])
        case AnyOf(children):
            return _disjunction(children)


def _cost(node: Node) -> int:
    """Cheap children first: the order of a conjunction does not change its truth."""
    match node:
        case Leaf(TextIs(_, pattern, _)):
            return 0 if pattern.classify()[0] is How.EQUALS else 1
        case Leaf(_):
            return 2
        case Negated(child):
            return _cost(child)
        case AllOf(children):
            return min(_cost(child) for child in children) + 1
        case AnyOf(children):
            return sum(_cost(child) + 1 for child in children)


def _conjunction(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda view: first(view) and second(view)
    if len(tests) == 3:
        one, two, three = tests
        return lambda view: one(view) and two(view) and three(view)
    row = tuple(tests)

    def every(view: View) -> bool:
        for test in row:  # noqa: SIM110 - a generator costs twice as much
            if not test(view):
                return False
        return True

    return every


def _disjunction(children: Sequence[Node]) -> Test:
    """Text comparisons of one field are tested together; the rest one after the other."""
    together: dict[tuple[str, bool], list[TextIs]] = {}
    tests: list[Test] = []
    for child in children:
        if isinstance(child, Leaf) and isinstance(child.predicate, TextIs) and child.predicate.field != ANYWHERE:
            together.setdefault((child.predicate.field, child.predicate.cased), []).append(child.predicate)
        else:
            tests.append(compile_tree(child))
    merged = [over_values(name, _one_of(found), cased=cased) for (name, cased), found in together.items()]
    row = (*merged, *tests)
    if len(row) == 1:
        return row[0]

    def some(view: View) -> bool:
        for test in row:  # noqa: SIM110 - a generator costs twice as much
            if test(view):
                return True
        return False

    return some


def _one_of(found: Sequence[TextIs]) -> Callable[[str], bool]:
    """One test for several texts: a set, one prefix test, one suffix test, then substrings and patterns."""
    by_how: dict[How, list[str]] = {how: [] for how in How}
    globs: list[Callable[[str], bool]] = []
    for predicate in found:
        how, text = predicate.pattern.classify()
        by_how[how].append(text)
        if how is How.GLOB:
            globs.append(predicate.pattern.matcher())
    equals = frozenset(by_how[How.EQUALS])
    starts, ends = tuple(by_how[How.STARTS]), tuple(by_how[How.ENDS])
    contains = tuple(by_how[How.CONTAINS])
    if not starts and not ends and not contains and not globs:
        return equals.__contains__

    def matches(text: str) -> bool:
        if text in equals or (starts and text.startswith(starts)) or (ends and text.endswith(ends)):
            return True
        for part in contains:
            if part in text:
                return True
        return any(glob(text) for glob in globs)

    return matches
