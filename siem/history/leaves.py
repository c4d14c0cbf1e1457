"""One predicate as conditions on the event table: what is sure to match, and what may.

The engine decides what a predicate means; here it is said again for DuckDB, value by value of the column's type. Where the two could
disagree (a regular expression, an address in an odd spelling), ``least`` says less and ``most`` says more than the engine would.

In lower case, DuckDB agrees with :mod:`siem.detection.casing` on every character but two. ``İ`` becomes two characters there and one in
DuckDB: only patterns with an ``i`` can tell. ``ς`` is a ``σ`` there: only patterns with one can tell. A test compares all of Unicode.
"""

import ipaddress
import itertools
from collections.abc import Callable, Sequence
from typing import Final

from siem.detection.patterns import How, Pattern, Wild
from siem.detection.predicates import (
    ANYWHERE,
    TIMESTAMP,
    UTC_ZONE,
    Compare,
    Exists,
    InNetwork,
    IsNull,
    Matches,
    NumberIs,
    Predicate,
    SameAs,
    TextIs,
    TimePart,
    TimePartIs,
    text_test,
)
from siem.detection.regex import needed_literal
from siem.errors import DataError
from siem.event import FIELDS, Kind, text_of
from siem.history.bounds import ALWAYS, NEVER, Bounds, any_of, at_most, exactly
from siem.store.query import Query, column, kind_of

_TEXTS: Final = frozenset({Kind.KEYWORD, Kind.TEXT, Kind.IP})
_OPERATORS: Final = {Compare.LT: "<", Compare.LTE: "<=", Compare.GT: ">", Compare.GTE: ">=", Compare.EQ: "=", Compare.NEQ: "<>"}
#: Texts of every field without a column of its own, as one list.
_ALL_OTHERS: Final = "list_concat(map_values(other), flatten(map_values(other_lists)))"
_DATE_PARTS: Final = {part: part.value for part in TimePart}
_IN_INTEGERS: Final = frozenset("-0123456789")
_IN_FLOATS: Final = frozenset("-+.e0123456789")
_LARGEST: Final = 2**63
#: Texts looked for by one expression: the size of those is limited. Fewer than so many are looked for one by one: as fast.
_AT_ONCE: Final = 50
_TOGETHER_FROM: Final = 3
#: What ``İ`` becomes in lower case in Python: an i and a dot above.
_DOT_ABOVE: Final = "\u0307"
_SIGMA: Final = "σ"
_QUAD: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}"
_PLAIN_NUMBER: Final = r"-?[0-9]{1,15}(\.[0-9]{1,9})?"


def of_predicate(predicate: Predicate) -> Bounds:
    """Conditions for one predicate. A predicate or a field that is not known here leaves nothing out."""
    match predicate:
        case Exists(name, expected):
            return _presence(name, present=expected, timestamp=expected)
        case IsNull(name):
            return _presence(name, present=False, timestamp=False)
        case SameAs():
            return _same_as(predicate)
        case TimePartIs(field, part, compare, limit, zone) if field == TIMESTAMP and zone == UTC_ZONE:
            return exactly(Query(f"""(date_part('{_DATE_PARTS[part]}', "at") {_OPERATORS[compare]} ?)""", (limit,)))
        case _:
            if predicate.field == ANYWHERE:
                return any_of([*(_of_field(name, predicate) for name in FIELDS), _of_texts(_ALL_OTHERS, predicate)])
            return _of_field(predicate.field, predicate)


def _presence(name: str, *, present: bool, timestamp: bool) -> Bounds:
    if name == TIMESTAMP:
        return exactly(ALWAYS if timestamp else NEVER)
    target = _target(name)
    if target is None:
        return at_most(ALWAYS)
    return exactly(Query(f"({target} IS {'NOT ' if present else ''}NULL)"))


def _target(name: str) -> str | None:
    """What reads the field; None for what the store cannot name, and for the event's instant."""
    try:
        return None if name == TIMESTAMP else column(name)
    except DataError:
        return None


def _of_field(name: str, predicate: Predicate) -> Bounds:
    target, kind = _target(name), kind_of(name)
    if target is None:
        return at_most(ALWAYS)
    if kind in _TEXTS:
        return _of_text(target, predicate)
    if kind is Kind.KEYWORDS:
        return _of_texts(target, predicate)
    if kind is Kind.BOOLEAN:
        return _of_truth(target, predicate)
    return _of_integer(target, predicate) if kind is Kind.INTEGER else _of_float(target, predicate)


def _of_texts(target: str, predicate: Predicate) -> Bounds:
    """A list of texts, of which one is enough."""
    inner = _of_text("x", predicate)
    least = _in_list(target, inner.least)
    return exactly(least) if inner.exact else Bounds(least, _in_list(target, inner.most))


def _in_list(target: str, inner: Query) -> Query:
    if inner == NEVER:
        return NEVER
    return Query(f"(len(list_filter({target}, lambda x: {inner.condition})) > 0)", inner.parameters)


# ---------------------------------------------------------------------------------------------- texts
def _of_text(target: str, predicate: Predicate) -> Bounds:
    match predicate:
        case TextIs(_, pattern, cased):
            return of_pattern(target, pattern, cased=cased)
        case NumberIs(_, compare, limit):
            return _number_in_text(target, compare, limit)
        case InNetwork(_, network):
            return _network_in_text(target, network)
        case Matches(_, expression, flags):
            return at_most(_may_match(target, expression, flags))
        case _:
            return at_most(_present(target))


def _may_match(target: str, expression: str, flags: int) -> Query:
    """Every match of the expression holds a text: what does not hold it need not be looked at."""
    literal, cased = needed_literal(expression, flags)
    if not literal or not _storable(literal):
        return _present(target)
    if cased:
        return Query(f"contains({target}, ?)", (literal,))
    if not literal.isascii():
        return _present(target)
    # Outside of ASCII, characters that are the same without case may differ in lower case (``s`` and ``ſ``).
    return Query(f"(contains(lower({target}), ?) OR strlen({target}) > length({target}))", (literal.lower(),))


def of_pattern(target: str, pattern: Pattern, *, cased: bool) -> Bounds:
    """A text column compared with a Sigma string; the pattern is in lower case unless ``cased``."""
    if not all(map(_storable, pattern.literals())):
        return exactly(NEVER)
    if pattern.parts == (Wild.MANY,):
        return exactly(_present(target))
    if cased:
        return exactly(_compared(target, pattern))
    literals = "".join(pattern.literals())
    if _DOT_ABOVE in literals or _SIGMA in literals or Wild.ONE in pattern.parts:
        return exactly(_compared(_lower(target), pattern))
    loosely = _compared(f"lower({target})", pattern)
    return exactly(_guarded(target, loosely, _compared(_lower(target), pattern)) if "i" in literals else loosely)


def of_equalities(target: str, texts: Sequence[str]) -> Bounds:
    """A text column compared without case with several texts in lower case: it is one of them."""
    return _of_several(target, texts, _among)


def of_contained(target: str, texts: Sequence[str]) -> Bounds:
    """A text column compared without case with several texts in lower case: it holds one of them."""
    together = "".join(texts)
    if len(texts) < _TOGETHER_FROM or not together.isascii():
        return _of_several(target, texts, _holding)
    # A regular expression without case finds what lower case does, and outside of ASCII some more (``ſ`` for ``s``), looked at again.
    found, lowered = _holding(target, texts, caseless=True), _holding(_lower(target), texts)
    checked = f"({found.condition} AND (strlen({target}) = length({target}) OR {lowered.condition}))"
    return exactly(Query(checked, found.parameters + lowered.parameters))


def of_searched(target: str, texts: Sequence[str], searched: Sequence[Matches]) -> Bounds:
    """A text column compared with regular expressions, or texts that it holds: what their matches hold is looked for at once."""
    literals, apart = [], []
    for one in searched:
        literal, cased = needed_literal(one.expression, one.flags)
        if literal.isascii() and literal and not cased:
            literals.append(literal.lower())
        else:
            apart.append(of_predicate(one))
    both = of_contained(target, [*texts, *literals])
    if literals:
        least = of_contained(target, texts).least if texts else NEVER
        both = Bounds(least, Query(f"({both.most.condition} OR strlen({target}) > length({target}))", both.most.parameters))
    return any_of([*([both] if texts or literals else []), *apart])


def _of_several(target: str, texts: Sequence[str], compared: Callable[[str, Sequence[str]], Query]) -> Bounds:
    kept = [text for text in dict.fromkeys(texts) if _storable(text)]
    together = "".join(kept)
    if not kept:
        return exactly(NEVER)
    precisely = compared(_lower(target), kept)
    if _DOT_ABOVE in together or _SIGMA in together:
        return exactly(precisely)
    loosely = compared(f"lower({target})", kept)
    return exactly(_guarded(target, loosely, precisely) if "i" in together else loosely)


def _among(expression: str, texts: Sequence[str]) -> Query:
    return Query(f"({expression} IN ({', '.join('?' * len(texts))}))", tuple(texts))


def _holding(expression: str, texts: Sequence[str], *, caseless: bool = False) -> Query:
    """Looked for together: one by one, each would put the whole text in lower case anew."""
    if len(texts) < _TOGETHER_FROM:
        condition = " OR ".join([f"contains({expression}, ?)"] * len(texts))
        return Query(f"({condition})", tuple(texts))
    rows = [texts[first : first + _AT_ONCE] for first in range(0, len(texts), _AT_ONCE)]
    condition = " OR ".join([f"regexp_matches({expression}, ?)"] * len(rows))
    written = ["|".join(_quoted(text, caseless=caseless) for text in row) for row in rows]
    return Query(f"({condition})", tuple(f"(?i){one}" for one in written) if caseless else tuple(written))


def _quoted(text: str, *, caseless: bool) -> str:
    """A text as a regular expression of DuckDB: whatever is neither letter nor digit of ASCII, by its number.

    ``caseless``: for a search without case, to which ``İ`` is no ``i``.
    """
    quoted = "".join(one if one.isascii() and one.isalnum() else f"\\x{{{ord(one):x}}}" for one in text)
    return quoted.replace("i", "[iİ]") if caseless else quoted


def _guarded(target: str, loosely: Query, precisely: Query) -> Query:
    """What DuckDB's lower case lets through, looked at once more where it holds an ``İ``."""
    condition = f"({loosely.condition} AND (NOT contains({target}, 'İ') OR {precisely.condition}))"
    return Query(condition, loosely.parameters + precisely.parameters)


def _lower(target: str) -> str:
    """The text as it is compared without case."""
    return f"replace(lower(replace({target}, 'İ', 'i{_DOT_ABOVE}')), 'ς', '{_SIGMA}')"


def _compared(expression: str, pattern: Pattern) -> Query:
    how, text = pattern.classify()
    match how:
        case How.EQUALS:
            return Query(f"({expression} = ?)", (text,))
        case How.CONTAINS:
            return Query(f"contains({expression}, ?)", (text,))
        case How.STARTS:
            return Query(f"starts_with({expression}, ?)", (text,))
        case How.ENDS:
            return Query(f"ends_with({expression}, ?)", (text,))
        case How.GLOB:
            return Query(f"({expression} LIKE ? ESCAPE '\\')", ("".join(map(_like, pattern.parts)),))


def _like(part: str | Wild) -> str:
    if isinstance(part, Wild):
        return "%" if part is Wild.MANY else "_"
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _storable(text: str) -> bool:
    """Whether a stored text can hold it: half a surrogate pair, which YAML lets through, cannot be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _present(target: str) -> Query:
    return Query(f"({target} IS NOT NULL)")


def _number_in_text(target: str, compare: Compare, limit: float) -> Bounds:
    """Plain decimals are compared here; other spellings (1e3, 1_000, other scripts' digits) stay with the engine."""
    plain = f"regexp_full_match({target}, '{_PLAIN_NUMBER}')"
    value = f"TRY_CAST(CASE WHEN {plain} THEN {target} END AS DOUBLE) {_OPERATORS[compare]} ?"
    odd = f"NOT {plain} AND regexp_matches({target}, '[0-9]|[^\\x00-\\x7F]')"
    return Bounds(Query(f"coalesce({value}, FALSE)", (limit,)), Query(f"(coalesce({value}, FALSE) OR ({odd}))", (limit,)))


def _network_in_text(target: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Bounds:
    """IPv4 in four plain numbers is compared here; brackets, blanks, and addresses with colons stay with the engine."""
    if network.version == 6:
        return at_most(Query(f"contains({target}, ':')"))
    first, last = str(network.network_address), str(network.broadcast_address)
    pairs = zip(first.split("."), last.split("."), strict=True)
    shared = [one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)]
    prefix = ".".join(shared) + ("." if len(shared) < 4 else "")
    numbers = " + ".join(f"TRY_CAST(split_part({target}, '.', {place}) AS BIGINT) * {256 ** (4 - place)}" for place in range(1, 5))
    inside = f"CASE WHEN starts_with({target}, ?) AND regexp_full_match({target}, '{_QUAD}') THEN {numbers} BETWEEN ? AND ? ELSE FALSE END"
    bounds = ("" if len(shared) == 0 else prefix, int(network.network_address), int(network.broadcast_address))
    mapped = f"(contains({target}, ':') AND contains(lower({target}), 'ffff'))"
    odd = f"{mapped} OR {target} < '0' OR {target} >= ':' OR NOT right({target}, 1) BETWEEN '0' AND '9'"
    return Bounds(Query(f"({inside})", bounds), Query(f"({inside} OR {odd})", bounds))


def _same_as(predicate: SameAs) -> Bounds:
    left, right = _target(predicate.field), _target(predicate.other)
    if left is None or right is None:
        return at_most(ALWAYS)
    if not _TEXTS.issuperset((kind_of(predicate.field), kind_of(predicate.other))):
        return at_most(Query(f"({left} IS NOT NULL AND {right} IS NOT NULL)"))
    relations: dict[How, Callable[[str, str], str]] = {
        How.EQUALS: lambda one, other: f"({one} = {other})",
        How.CONTAINS: lambda one, other: f"contains({one}, {other})",
        How.STARTS: lambda one, other: f"starts_with({one}, {other})",
        How.ENDS: lambda one, other: f"ends_with({one}, {other})",
    }
    relation = relations[predicate.how]
    if predicate.cased:
        return exactly(Query(relation(left, right)))
    return exactly(Query(relation(_lower(left), _lower(right))))


# ---------------------------------------------------------------------------------------------- numbers and truths
def _of_truth(target: str, predicate: Predicate) -> Bounds:
    test = text_test(predicate)
    answers = (test("false"), test("true"))
    conditions = {(False, False): NEVER, (True, True): _present(target), (True, False): Query(f"(NOT {target})")}
    return exactly(conditions.get(answers, Query(f"({target})")))


def _of_integer(target: str, predicate: Predicate) -> Bounds:
    match predicate:
        case TextIs(_, pattern, _):
            plain = pattern.plain
            if plain is not None:
                number = _integer(plain)
                return exactly(NEVER if number is None else Query(f"({target} = ?)", (number,)))
            if not _IN_INTEGERS.issuperset("".join(pattern.literals())):
                return exactly(NEVER)
            return exactly(_compared(f"CAST({target} AS VARCHAR)", pattern))
        case NumberIs(_, compare, limit):
            return exactly(Query(f"(CAST({target} AS DOUBLE) {_OPERATORS[compare]} ?)", (float(limit),)))
        case InNetwork():
            return exactly(NEVER)
        case _:
            return at_most(_present(target))


def _integer(text: str) -> int | None:
    """The stored integer with this very text."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text and -_LARGEST <= number < _LARGEST else None


def _of_float(target: str, predicate: Predicate) -> Bounds:
    match predicate:
        case TextIs(_, pattern, _):
            plain = pattern.plain
            if plain is not None:
                return exactly(_float_with_text(target, plain))
            if pattern.parts == (Wild.MANY,):
                return exactly(_present(target))
            return at_most(_present(target) if _IN_FLOATS.issuperset("".join(pattern.literals())) else NEVER)
        case NumberIs(_, compare, limit):
            return exactly(Query(f"({target} {_OPERATORS[compare]} ?)", (float(limit),)))
        case InNetwork():
            return exactly(NEVER)
        case _:
            return at_most(_present(target))


def _float_with_text(target: str, text: str) -> Query:
    try:
        number = float(text)
    except ValueError:
        return NEVER
    return Query(f"({target} = ?)", (number,)) if text_of(number) == text else NEVER
