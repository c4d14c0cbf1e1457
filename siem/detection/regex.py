"""Regular expressions in bounded time, whatever the expression and the text.

Python's engine looks for the simple ones in short texts. One with several repetitions, or a long text, goes to Hyperscan, which never
goes back and knows the whole dialect of Sigma. What Hyperscan cannot express (look-around, back-references) needs an engine that goes
back: it is looked for in the first 10,000 characters, is refused where it may take exponential time, and is **timed**. A search that
takes too long raises :class:`OutOfTime`, as does an expression that took too much on the whole: its answer is then not known.

Source: Sigma specification 2.1.0, appendix «Modifiers», regular expressions.
"""

import math
import re
import time
from collections.abc import Callable, Iterable
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

import regex

from siem.detection.expressions import compiled, parse, written

try:
    import hyperscan

    AVAILABLE = True
except ImportError:  # no build for this processor
    AVAILABLE = False

#: With so many repetitions, a text of so many characters is looked at by Python's engine; a longer one costs too much to go back over.
_SHORT: Final = {0: 10_000, 1: 500, 2: 60}
#: A repetition that may go on for so long is as good as unbounded.
_UNBOUNDED: Final = 10
#: A text may be gone through in so many ways, short repetitions inside each other included, before that costs too much.
_MANY_WAYS: Final = 1000
#: Where nothing but going back is possible, a text is looked at up to here, for so long at most.
_LONG: Final = 10_000
_ONE_SEARCH_SECONDS: Final = 0.1
#: A timed expression may take this long for each search on average; once it is this far beyond, it is out of time.
_FAIR_SECONDS: Final = 0.001
_OVERDRAFT_SECONDS: Final = 1.0
_LINEAR: Final = frozenset({codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN})
#: Hyperscan knows no boundary of words of Unicode.
_ENDS: Final = frozenset({codes.AT_BEGINNING, codes.AT_BEGINNING_STRING, codes.AT_END, codes.AT_END_STRING})
_GREEDY: Final = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT})
_STARS: Final = ((0, codes.MAXREPEAT), (1, codes.MAXREPEAT))
_REPEATS: Final = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT})


class CostlyExpression(ValueError):
    """Nothing at hand can look for the expression in bounded time."""


class OutOfTime(Exception):
    """A search was given up, or the expression has used up its time: nobody knows whether it is found."""


def check_expression(expression: str, flags: int) -> None:
    """Raises re.error for a faulty expression, CostlyExpression for one that may take exponential time."""
    parsed = parse(expression, flags)
    compiled(expression, flags)
    if _repeats(parsed, 0)[1] > 1 and _database(expression, flags) is None:
        raise CostlyExpression("a repetition inside a repetition may take exponential time; write it without, or without look-around")


def search(expression: str, flags: int) -> Callable[[str], bool]:
    """Whether the expression is found anywhere in a text. The machine behind it is made at the first call. May raise OutOfTime."""
    parsed = parse(expression, flags)
    simple = compiled(expression, flags).search
    count, depth = _repeats(parsed, 0)
    short = _SHORT.get(count, 0) if depth < 2 and _ways(parsed) < _MANY_WAYS else 0
    # Not shared between two searches: a database serves one thread at a time.
    made: list[Any] = []

    def found(text: str) -> bool:
        if len(text) <= short:
            return simple(text) is not None
        if not made:
            database = _database(expression, flags)
            made.append(_Timed(expression, flags).search if database is None else _scanning(database))
        held: bool = made[0](text)
        return held

    return found


class _Timed:
    """A search that goes back, on the clock."""

    def __init__(self, expression: str, flags: int) -> None:
        self._expression = expression
        self._search = regex.compile(*written(parse(expression, flags))).search
        self._overdrawn = 0.0

    def search(self, text: str) -> bool:
        """Whether it is found in the first part of a text."""
        if self._overdrawn > _OVERDRAFT_SECONDS:
            raise OutOfTime(f"the regular expression {self._expression} takes more than {_FAIR_SECONDS * 1000:.0f} ms for each search")
        begun = time.thread_time()
        try:
            return self._search(text[:_LONG], timeout=_ONE_SEARCH_SECONDS) is not None
        except TimeoutError:
            limit = f"{_ONE_SEARCH_SECONDS * 1000:.0f} ms on a text of {len(text)} characters"
            raise OutOfTime(f"the regular expression {self._expression} took more than {limit}") from None
        finally:
            self._overdrawn = max(0.0, self._overdrawn + time.thread_time() - begun - _FAIR_SECONDS)


def _scanning(database: Any) -> Callable[[str], bool]:
    def found(text: str) -> bool:
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
    # Its \Z would let a last line feed pass.
    common, flags = written(parse(expression, flags), end_of_text=r"\z")
    wanted = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_UCP | hyperscan.HS_FLAG_ALLOWEMPTY
    for flag, name in ((re.IGNORECASE, "CASELESS"), (re.MULTILINE, "MULTILINE"), (re.DOTALL, "DOTALL")):
        if flags & flag:
            wanted |= getattr(hyperscan, f"HS_FLAG_{name}")
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(expressions=[common.encode()], ids=[0], elements=1, flags=wanted)
    except (hyperscan.error, UnicodeEncodeError):
        return None
    return database


def _repeats(items: Iterable[Any], depth: int) -> tuple[int, int]:
    """How many long repetitions there are, and how deep choices stand in them: two are enough for exponential time."""
    count, deepest = 0, depth
    for code, argument in items:
        unbounded = code in _REPEATS and argument[1] >= _UNBOUNDED
        # Inside a repetition, a choice or an optional part is as bad as another repetition: (a|aa)+, (aa?)+.
        choice = unbounded or (depth > 0 and (code in _REPEATS or code == codes.BRANCH))
        count += unbounded
        deepest = max(deepest, depth + choice)
        for part in _parts(argument):
            inner, depth_of_inner = _repeats(part, depth + choice)
            count += inner
            deepest = max(deepest, depth_of_inner)
    return count, deepest


def _ways(items: Iterable[Any]) -> int:
    """In how many ways a text can be gone through, at most: those of neighbours multiply, those of what is repeated do so each time."""
    ways = 1
    for code, argument in items:
        inner = [_ways(part) for part in _parts(argument)]
        if code in _REPEATS:
            often = min(argument[1], _UNBOUNDED)
            ways *= max(1, often - argument[0] + 1) * math.prod(inner) ** often
        else:
            ways *= max(1, sum(inner)) if code == codes.BRANCH else math.prod(inner)
        ways = min(ways, _MANY_WAYS)
    return ways


def _parts(argument: Any) -> Iterable[Any]:
    """The sub-expressions of one item of a parsed expression."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for part in argument:
            yield from _parts(part)


def needed_literal(expression: str, flags: int) -> tuple[str, bool]:
    """The longest text that is in whatever the expression is found in (empty: none is known), and whether its case counts."""
    parsed = parse(expression, flags)
    return max(_runs(parsed), key=len, default=""), not parsed.state.flags & re.IGNORECASE


def _runs(items: Iterable[Any]) -> Iterable[str]:
    """Texts that each match holds: characters in a row that no choice and no option stands around."""
    run = ""
    for code, argument in items:
        if code == codes.LITERAL:
            run += chr(argument)
            continue
        yield run
        run = ""
        if code == codes.SUBPATTERN and not argument[1] and not argument[2]:  # no flags of its own
            yield from _runs(argument[3])
        elif code in _REPEATS and argument[0] > 0:
            yield from _runs(argument[2])
    yield run


def is_linear(expression: str, flags: int) -> bool:
    """Whether the expression can be looked for without ever going back, in a text of any length."""
    # A database takes tens of milliseconds to make: it is made for those that Hyperscan may refuse.
    return (AVAILABLE and _surely_linear(parse(expression, flags))) or _database(expression, flags) is not None


def _surely_linear(items: Iterable[Any]) -> bool:
    """Whether there is nothing but characters, places, choices, and repetitions that are short or unbounded."""
    return all(_is_plain(code, argument) for code, argument in items)


def _is_plain(code: Any, argument: Any) -> bool:
    if code in (codes.SUBPATTERN, codes.BRANCH):
        return all(map(_surely_linear, _parts(argument)))
    if code in _GREEDY:
        least, most, repeated = argument
        return (most <= _UNBOUNDED or (least, most) in _STARS) and _surely_linear(repeated)
    return code in _LINEAR or (code == codes.AT and argument in _ENDS)
