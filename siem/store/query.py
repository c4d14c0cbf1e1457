"""The search language of the events: what an analyst types, turned into a condition on the event table.

    user.id:P-4F7K2M9QXA AND event.outcome:failure
    source.ip:203.0.113.0/24 OR http.response.status_code:>=500
    NOT event.action:record.read "emergency override"

``field:value`` is equality (a part of it is enough for long texts), ``*`` and ``?`` stand for any characters, ``field:*``
asks that the field is there, ``>``, ``>=``, ``<``, ``<=`` compare numbers, an address may be a network. Words without a
field are looked for in every text field. ``AND`` may be left out; ``ET``, ``OU``, ``SAUF`` mean AND, OR, NOT.
"""

import difflib
import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from siem.errors import DataError
from siem.event import FIELDS, Kind

#: Attributes of an event that may be asked for beside the fields, with the column that holds each.
ATTRIBUTES: Final = {"event.id": "id", "source": "source"}

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<paren>[()])|(?P<field>[A-Za-z_@][A-Za-z0-9_.@-]+):(?P<value>"(?:[^"\\]|\\.)*"|[^\s()"]+)?|(?P<phrase>"(?:[^"\\]|\\.)*")|(?P<word>[^\s()"]+))'
)
_CONNECTIVES: Final = {"AND": "AND", "ET": "AND", "OR": "OR", "OU": "OR", "NOT": "NOT", "SAUF": "NOT"}
_COMPARISON: Final = re.compile(r"(>=|<=|>|<)(.+)")
_NETWORK: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}/[0-9]{1,2}")
_TRUTH: Final = {"true": True, "false": False, "oui": True, "non": False}
_FREE_TEXT: Final = tuple(name for name, kind in FIELDS.items() if kind in (Kind.KEYWORD, Kind.TEXT, Kind.IP))
_IPV4_AS_NUMBER: Final = (
    "(CASE WHEN regexp_full_match({0}, '[0-9]{{1,3}}(\\.[0-9]{{1,3}}){{3}}') THEN"
    " CAST(split_part({0}, '.', 1) AS BIGINT) * 16777216 + CAST(split_part({0}, '.', 2) AS BIGINT) * 65536"
    " + CAST(split_part({0}, '.', 3) AS BIGINT) * 256 + CAST(split_part({0}, '.', 4) AS BIGINT) END)"
)
#: Values of fields without a column, and of those that hold several, as lists of texts.
_OTHERS: Final = ("map_values(other)", "flatten(map_values(other_lists))", "flatten(map_values(several))")
_OTHER_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_MAX_TERMS: Final = 100
#: What every column of numbers can be compared with.
_LARGEST_NUMBER: Final = 10**18 - 1


@dataclass(frozen=True, slots=True)
class Query:
    """A condition on the event table with its parameters; made by :func:`parse_query` alone."""

    condition: str = "TRUE"
    parameters: tuple[object, ...] = ()


#: Matches every event.
EVERYTHING: Final = Query()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    field: str = ""


def parse_query(text: str, others: Collection[str] = ()) -> Query:
    """The condition that ``text`` describes; an empty text matches everything. ``others`` are the fields without a column that exist,
    and those with one that hold several values in some event.

    Raises DataError (path ``search``) naming the field and what was expected.
    """
    tokens = _tokens(text)
    if not tokens:
        return EVERYTHING
    parser = _Parser(tokens, others)
    query = parser.alternatives()
    if parser.peek() is not None:
        raise _wrong("", f"unexpected {parser.next().text!r}")
    return query


def column(name: str) -> str:
    """The expression that reads a field or an attribute. Raises DataError for what cannot be the name of a field.

    A field without a column of its own is read from the maps of :mod:`.other_fields`, as a list of texts; one that is in no event is NULL.
    """
    known = ATTRIBUTES.get(name, name if name in FIELDS else None)
    if known is not None:
        return f'"{known}"'
    if not _OTHER_NAME.fullmatch(name):
        raise _wrong(name[:100], "not the name of a field")
    quoted = name.replace("'", "''")
    text = f"map_extract_value(other, '{quoted}')"
    return f"(CASE WHEN {text} IS NOT NULL THEN [{text}] ELSE map_extract_value(other_lists, '{quoted}') END)"


def kind_of(name: str) -> Kind:
    """How :func:`column` gives a field."""
    return Kind.KEYWORD if name in ATTRIBUTES else FIELDS.get(name, Kind.KEYWORDS)


def _known_as(name: str, others: Collection[str]) -> str:
    """The field's name as events have it; letters may be written small. Raises DataError when there is none of that name."""
    if name in ATTRIBUTES or name in FIELDS or name in others:
        return name
    small = {other.lower(): other for other in others}
    if name.lower() in small:
        return small[name.lower()]
    near = difflib.get_close_matches(name, [*FIELDS, *ATTRIBUTES, *others], n=1)
    raise _wrong(name, "unknown field" + (f"; did you mean {near[0]}?" if near else ""))


def _wrong(field: str, problem: str) -> DataError:
    return DataError("search", 0, field, problem)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    end = 0
    stripped = text.rstrip()
    while end < len(stripped):
        match = _TOKEN.match(stripped, end)
        if match is None:
            raise _wrong("", f"a quotation mark is not closed: {stripped[end:].strip()[:40]}")
        end = match.end()
        if match["paren"]:
            tokens.append(_Token(match["paren"], match["paren"]))
        elif match["field"]:
            if match["value"] is None:
                raise _wrong(match["field"], "a value is expected right after the colon")
            tokens.append(_Token("field", match["value"], match["field"]))
        elif match["phrase"]:
            tokens.append(_Token("word", _unquoted(match["phrase"])))
        elif match["word"] in _CONNECTIVES:
            tokens.append(_Token(_CONNECTIVES[match["word"]], match["word"]))
        else:
            tokens.append(_Token("word", match["word"]))
    if len(tokens) > _MAX_TERMS:
        raise _wrong("", f"too long: {len(tokens)} terms, at most {_MAX_TERMS}")
    return tokens


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


class _Parser:
    """Recursive descent: alternatives of conjunctions of possibly negated terms."""

    def __init__(self, tokens: list[_Token], others: Collection[str]) -> None:
        self._tokens = tokens
        self._others = others
        self._at = 0

    def peek(self) -> str | None:
        """Kind of the next token, None at the end."""
        return self._tokens[self._at].kind if self._at < len(self._tokens) else None

    def next(self) -> _Token:
        """The next token, taken."""
        if self._at >= len(self._tokens):
            raise _wrong("", "something is missing at the end")
        self._at += 1
        return self._tokens[self._at - 1]

    def alternatives(self) -> Query:
        """Conjunctions joined by OR."""
        parts = [self._conjunction()]
        while self.peek() == "OR":
            self.next()
            parts.append(self._conjunction())
        return _joined(" OR ", parts)

    def _conjunction(self) -> Query:
        parts = [self._negation()]
        while (following := self.peek()) is not None and following not in ("OR", ")"):
            if following == "AND":
                self.next()
            parts.append(self._negation())
        return _joined(" AND ", parts)

    def _negation(self) -> Query:
        if self.peek() == "NOT":
            self.next()
            negated = self._negation()
            # An absent field makes a comparison NULL; for a person "not X" includes events without the field.
            return Query(f"(NOT coalesce({negated.condition}, FALSE))", negated.parameters)
        token = self.next()
        if token.kind == "(":
            inside = self.alternatives()
            if self.peek() != ")":
                raise _wrong("", "a parenthesis is not closed")
            self.next()
            return inside
        if token.kind == "field":
            name = _known_as(token.field, self._others)
            found = _field_condition(name, token.text)
            if name in self._others and name in FIELDS:
                found = _joined(" OR ", [found, _several_condition(name, token.text)])
            return found
        if token.kind == "word":
            return _free_text(token.text)
        raise _wrong("", f"unexpected {token.text!r}")


def _joined(connective: str, parts: list[Query]) -> Query:
    if len(parts) == 1:
        return parts[0]
    return Query("(" + connective.join(part.condition for part in parts) + ")", tuple(value for part in parts for value in part.parameters))


def _free_text(word: str) -> Query:
    pattern = f"%{_like(word)}%"
    condition = " OR ".join(
        [*(f"\"{name}\" ILIKE ? ESCAPE '\\'" for name in _FREE_TEXT), *(_in_list(values, "x ILIKE ? ESCAPE '\\'") for values in _OTHERS)]
    )
    return Query(f"({condition})", (pattern,) * (len(_FREE_TEXT) + len(_OTHERS)))


def _in_list(target: str, condition: str) -> str:
    """That one element ``x`` of a list meets the condition."""
    return f"(len(list_filter({target}, lambda x: {condition})) > 0)"


def _like(text: str, *, wildcards: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_") if wildcards else escaped


def _field_condition(name: str, text: str) -> Query:
    return _condition_on(name, column(name), text)


def _condition_on(name: str, target: str, text: str) -> Query:
    kind = kind_of(name)
    if text == "*":
        return Query(f"({target} IS NOT NULL)")
    quoted = text.startswith('"')
    value = _unquoted(text) if quoted else text
    if kind in (Kind.INTEGER, Kind.FLOAT):
        return _number(name, target, value)
    if kind is Kind.BOOLEAN:
        if value.lower() not in _TRUTH:
            raise _wrong(name, f"true or false expected, not {value!r}")
        return Query(f"({target} = ?)", (_TRUTH[value.lower()],))
    if kind is Kind.IP and "/" in value:
        return _network(name, target, value)
    wildcards = not quoted and ("*" in value or "?" in value)
    if kind is Kind.KEYWORDS:
        return _listed(name, target, value, quoted=quoted, wildcards=wildcards)
    if kind is Kind.TEXT:
        pattern = _like(value, wildcards=wildcards)
        return Query(f"({target} ILIKE ? ESCAPE '\\')", (pattern if wildcards else f"%{pattern}%",))
    if wildcards:
        return Query(f"({target} ILIKE ? ESCAPE '\\')", (_like(value, wildcards=True),))
    return Query(f"({target} = ?)", (value,))


def _several_condition(name: str, text: str) -> Query:
    """The same for a field of which an event has several values, as texts: one is enough."""
    values = f"map_extract_value(several, '{name}')"
    if text == "*":
        return Query(f"(several IS NOT NULL AND {values} IS NOT NULL)")
    x = {Kind.INTEGER: "TRY_CAST(x AS DOUBLE)", Kind.FLOAT: "TRY_CAST(x AS DOUBLE)", Kind.BOOLEAN: "TRY_CAST(x AS BOOLEAN)"}
    one = _condition_on(name, x.get(kind_of(name), "x"), text)
    return Query(f"(several IS NOT NULL AND {_in_list(values, one.condition)})", one.parameters)


def _listed(name: str, target: str, value: str, *, quoted: bool, wildcards: bool) -> Query:
    """A list; or a field without a column, whose kind nobody knows: a value is taken for what it looks like, without case."""
    if name in FIELDS and not wildcards:
        return Query(f"list_contains({target}, ?)", (value,))
    if not quoted and _COMPARISON.fullmatch(value):
        compared = _number(name, "TRY_CAST(x AS DOUBLE)", value)
        return Query(_in_list(target, compared.condition), compared.parameters)
    if not quoted and _NETWORK.fullmatch(value):
        inside = _network(name, "x", value)
        return Query(_in_list(target, inside.condition), inside.parameters)
    return Query(_in_list(target, "x ILIKE ? ESCAPE '\\'"), (_like(value, wildcards=wildcards),))


def _number(name: str, target: str, value: str) -> Query:
    comparison = _COMPARISON.fullmatch(value)
    operator, digits = (comparison[1], comparison[2]) if comparison else ("=", value)
    try:
        number = int(digits) if FIELDS.get(name) is Kind.INTEGER else float(digits)
    except ValueError:
        raise _wrong(name, f"a number expected, not {digits[:40]!r}") from None
    if not -_LARGEST_NUMBER <= number <= _LARGEST_NUMBER:  # NaN is refused here too
        raise _wrong(name, f"a number of at most 18 digits expected, not {digits[:40]!r}")
    return Query(f"({target} {operator} ?)", (number,))


def _network(name: str, target: str, value: str) -> Query:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise _wrong(name, f"an address or a network expected, not {value!r}") from None
    if network.version == 6:
        raise _wrong(name, "networks are compared for IPv4 only; give the beginning of the address with * instead")
    bounds = (int(network.network_address), int(network.broadcast_address))
    return Query(f"({_IPV4_AS_NUMBER.format(target)} BETWEEN ? AND ?)", bounds)
