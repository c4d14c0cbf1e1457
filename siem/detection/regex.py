"""Regular expressions in bounded time, whatever the expression and the text.

Python's engine looks for the simple ones in short texts. One with several unbounded repetitions, or a long text, goes to Hyperscan, which
never goes back and knows the whole dialect of Sigma. Where it cannot (look-around, back-references), only the first 10,000 characters
are looked at, and an expression that may take exponential time is refused.

Source: Sigma specification 2.1.0, appendix «Modifiers», regular expressions.
"""

import re
from collections.abc import Callable, Iterable
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

try:
    import hyperscan

    AVAILABLE = True
except ImportError:  # no build for this processor
    AVAILABLE = False

#: From this many unbounded repetitions on, going back over a long text costs too much.
_MANY: Final = 3
#: Up to this many characters, going back over a text costs little.
_SHORT: Final = 1000
#: Where nothing but going back is possible, a text is looked at up to here.
_LONG: Final = 10_000
_REPEATS: Final = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT})


class CostlyExpression(ValueError):
    """Nothing at hand can look for the expression in bounded time."""


def check_expression(expression: str, flags: int) -> None:
    """Raises re.error for a faulty expression, CostlyExpression for one that may take exponential time."""
    re.compile(expression, flags)
    if _repeats(parser.parse(expression, flags), 0)[1] > 1 and _database(expression, flags) is None:
        raise CostlyExpression("a repetition inside a repetition may take exponential time; write it without, or without look-around")


def search(expression: str, flags: int) -> Callable[[str], bool]:
    """Whether the expression is found anywhere in a text. The machine behind it is made at the first call."""
    simple = re.compile(expression, flags).search
    count, depth = _repeats(parser.parse(expression, flags), 0)
    if count == 0:
        return lambda text: simple(text) is not None
    short = _SHORT if depth < 2 and count < _MANY else 0
    # Not shared between two searches: a database serves one thread at a time.
    made: list[Any] = []

    def found(text: str) -> bool:
        if len(text) <= short:
            return simple(text) is not None
        if not made:
            made.append(_database(expression, flags))
        database = made[0]
        if database is None:
            return simple(text[:_LONG]) is not None
        hits: list[int] = []
        database.scan(text.encode("utf-8", "replace"), match_event_handler=_note, context=hits)
        return bool(hits)

    return found


def _note(place: int, start: int, end: int, flags: int, hits: list[int]) -> None:
    hits.append(place)


def _database(expression: str, flags: int) -> Any:
    """A Hyperscan database for one expression, or None where it cannot express it."""
    if not AVAILABLE:
        return None
    wanted = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_UCP | hyperscan.HS_FLAG_ALLOWEMPTY
    for flag, name in ((re.IGNORECASE, "CASELESS"), (re.MULTILINE, "MULTILINE"), (re.DOTALL, "DOTALL")):
        if flags & flag:
            wanted |= getattr(hyperscan, f"HS_FLAG_{name}")
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(expressions=[expression.encode()], ids=[0], elements=1, flags=wanted)
    except (hyperscan.error, UnicodeEncodeError):
        return None
    return database


def _repeats(items: Iterable[Any], depth: int) -> tuple[int, int]:
    """How many unbounded repetitions there are, and how deep choices stand in them: two are enough for exponential time."""
    count, deepest = 0, depth
    for code, argument in items:
        unbounded = code in _REPEATS and argument[1] == codes.MAXREPEAT
        # Inside a repetition, a choice or an optional part is as bad as another repetition: (a|aa)+, (aa?)+.
        choice = unbounded or (depth > 0 and (code in _REPEATS or code == codes.BRANCH))
        count += unbounded
        deepest = max(deepest, depth + choice)
        for part in _parts(argument):
            inner, depth_of_inner = _repeats(part, depth + choice)
            count += inner
            deepest = max(deepest, depth_of_inner)
    return count, deepest


def _parts(argument: Any) -> Iterable[Any]:
    """The sub-expressions of one item of a parsed expression."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for part in argument:
            yield from _parts(part)


def is_linear(expression: str, flags: int) -> bool:
    """Whether the expression can be looked for without ever going back, in a text of any length."""
    return _database(expression, flags) is not None
