"""Conditions of if-condition steps: comparisons of variables, joined by AND and OR. Parsed, never evaluated as code.

    __session_count__:value > '0' AND (__gravite__:value = 'critical' OR __personnes__:value LIKE 'P-%')

Operators: ``=``, ``!=``, ``<``, ``>``, ``<=``, ``>=`` (as numbers if both sides are), ``IN ('a', 'b')``, ``LIKE`` (``%`` any
text, ``_`` one character), ``NOT``. A subset of STIX patterning's comparisons, on CACAO variables.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<variable>__[A-Za-z_][A-Za-z0-9_-]*__):value|(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<operator><=|>=|!=|=|<|>)|(?P<mark>[(),])|(?P<word>AND|OR|NOT|IN|LIKE)\b)"
)
#: A condition deeper than this is a mistake.
_DEPTH: Final = 20

Values = Mapping[str, str]
_Test = Callable[[Values], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition: which variables it reads, and whether it holds for some values."""

    variables: frozenset[str]
    holds: _Test


class ConditionError(ValueError):
    """The text is not a condition; the message says where."""


@dataclass(slots=True)
class _Reader:
    tokens: list[tuple[str, str]]
    variables: set[str]
    at: int = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, kind: str, value: str | None = None) -> str:
        found = self.peek()
        if found[0] != kind or (value is not None and found[1] != value):
            raise ConditionError(f"expected {value or kind}, found {found[1] or 'the end'}")
        self.at += 1
        return found[1]


def parse_condition(text: str) -> Condition:
    """Parse; raises ConditionError."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ConditionError(f"not understood from «{text[at : at + 20].strip()}»")
        tokens.append((match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    reader = _Reader(tokens, set())
    holds = _either(reader, 0)
    if reader.peek()[0] != "end":
        raise ConditionError(f"unexpected {reader.peek()[1]}")
    return Condition(frozenset(reader.variables), holds)


def _either(reader: _Reader, depth: int) -> _Test:
    tests = [_both(reader, depth)]
    while reader.peek() == ("word", "OR"):
        reader.take("word")
        tests.append(_both(reader, depth))
    return lambda values: any(test(values) for test in tests)


def _both(reader: _Reader, depth: int) -> _Test:
    tests = [_one(reader, depth)]
    while reader.peek() == ("word", "AND"):
        reader.take("word")
        tests.append(_one(reader, depth))
    return lambda values: all(test(values) for test in tests)


def _one(reader: _Reader, depth: int) -> _Test:
    if depth > _DEPTH:
        raise ConditionError("nested too deep")
    if reader.peek() == ("word", "NOT"):
        reader.take("word")
        inner = _one(reader, depth + 1)
        return lambda values: not inner(values)
    if reader.peek() == ("mark", "("):
        reader.take("mark")
        inner = _either(reader, depth + 1)
        reader.take("mark", ")")
        return inner
    return _comparison(reader)


def _comparison(reader: _Reader) -> _Test:
    name = reader.take("variable")
    reader.variables.add(name)
    kind, value = reader.peek()
    reader.at += 1
    if (kind, value) == ("word", "IN"):
        reader.take("mark", "(")
        wanted = {_literal(reader)}
        while reader.peek() == ("mark", ","):
            reader.take("mark")
            wanted.add(_literal(reader))
        reader.take("mark", ")")
        return lambda values: values.get(name, "") in wanted
    if (kind, value) == ("word", "LIKE"):
        pattern = re.compile(re.escape(_literal(reader)).replace("%", ".*").replace("_", "."), re.DOTALL)
        return lambda values: pattern.fullmatch(values.get(name, "")) is not None
    if kind != "operator":
        raise ConditionError(f"expected an operator after {name}")
    literal = _literal(reader)
    return lambda values: _compare(value, values.get(name, ""), literal)


def _literal(reader: _Reader) -> str:
    if reader.peek()[0] == "number":
        return reader.take("number")
    return re.sub(r"\\(.)", r"\1", reader.take("text")[1:-1])


def _compare(operator: str, left: str, right: str) -> bool:
    numbers = _number(left), _number(right)
    a: float | str
    b: float | str
    a, b = (numbers[0], numbers[1]) if numbers[0] is not None and numbers[1] is not None else (left, right)
    order = (a > b) - (a < b)  # type: ignore[operator]  # both numbers or both texts
    return {"=": order == 0, "!=": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[operator]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
