"""One predicate in SQL is the predicate of the engine, value by value."""

import sys
from typing import Final

import duckdb
import pytest

from siem.detection.casing import without_case
from siem.detection.conditions import compile_tree
from siem.detection.modifiers import item_node
from siem.detection.predicates import View
from siem.event import Value
from siem.history.leaves import of_contained
from siem.history.translation import of_tree
from tests.siem.history.world import TEXTS, Shelf

#: Characters whose lower case in DuckDB is not their form without case, as siem/history/leaves.py believes.
_KNOWN: Final = {"İ", "ς"}


def test_the_lower_case_of_duckdb_is_the_form_without_case_for_all_of_unicode_but_the_known_exceptions() -> None:
    every = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    with duckdb.connect() as connection:
        for before, after in (("", ""), ("a", "B"), ("a", "")):  # alone, in the middle of a word, and at its end
            rows = connection.execute("SELECT x, lower(? || x || ?) FROM (SELECT unnest(?) AS x)", [before, after, every]).fetchall()
            assert {one for one, lower in rows if without_case(before + one + after) != lower} == _KNOWN


def test_texts_looked_for_together_are_found_in_the_form_without_case_of_any_character() -> None:
    codes = [*range(1, 0x3000), *range(0x3000, sys.maxunicode, 97)]  # what has a case in common with ASCII is among the first
    every = [f"a{chr(code)}s" for code in codes if not 0xD800 <= code < 0xE000]
    texts = [f"a{letter}s" for letter in map(chr, range(128)) if letter == letter.lower()]
    condition = of_contained("x", texts)
    assert condition.exact
    with duckdb.connect() as connection:
        statement = f"SELECT x FROM (SELECT unnest(?) AS x) WHERE {condition.most.condition}"
        rows = connection.execute(statement, [every, *condition.most.parameters]).fetchall()
    assert {one for (one,) in rows} == {one for one in every if any(text in without_case(one) for text in texts)}
    assert "a\u212as" in {one for (one,) in rows}, "the sign of a kelvin is a k without case"


def found(shelf: Shelf, field: str, values: list[Value], line: str, value: object) -> tuple[list[Value], list[Value], list[Value]]:
    """What is sure to match, what the engine says, what may match."""
    tenant, events = shelf.put([{field: one} for one in values])
    tree = item_node(line, value, {}, lambda name: (name,))
    bounds, test = of_tree(tree), compile_tree(tree)
    by_id = {event.id: event.fields[field] for event in events}
    least, most = ([by_id[one] for one in sorted(shelf.ids(tenant, query))] for query in (bounds.least, bounds.most))
    return least, [event.fields[field] for event in events if test(View(event.fields, event.at))], most


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("user.id", "ασ"), ("user.id|contains", "Σ"), ("user.id", ["ς", "a"]), ("user.id", "?σ"), ("user.id", ["ας", "a"]),
        ("user.id", "É"), ("user.id", "i*"), ("user.id", "d?"), ("user.id", "d??"), ("user.id|contains", "i"),
        ("user.id|endswith", "\u0307"),
        ("user.id", "a%b"), ("user.id", "a_b"), ("user.id|contains", "\\"), ("user.id", ["i", "a", "x'y", "i\u0307"]),
        ("user.id|cased", "A"),
        ("user.id|contains|cased", "B"), ("user.id|startswith", "a\x00"), ("user.id", "*"), ("user.id", "?"), ("user.id", ""),
        ("user.id", "\ud800"),
        ("user.id|contains", ["i", "a%", "\\", ".", "b"]), ("user.id|contains", ["(", "É", "\x00", "]x{"]),
        ("user.id|contains", ["\u0307", "z"]),
        ("user.id|contains", [*(f"x{number}" for number in range(60)), "é"]),
        ("user.id|contains", ["i", "b", "k"]), ("user.id|contains", ["ab", "1"]),
        ("user.id", None), ("user.id|exists", True), ("user.id", 1), ("user.id", True),
    ],
)  # fmt: skip
def test_texts_are_compared_exactly(shelf: Shelf, line: str, value: object) -> None:
    least, engine, most = found(shelf, "user.id", list(TEXTS), line, value)
    assert least == engine == most


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("user.id|re", "b$"), ("user.id|gt", 1), ("user.id|lte", 10),
        ("user.id|hour", 8),
        ("user.id|cidr", "192.0.2.0/24"), ("user.id|cidr", "0.0.0.0/0"),
        ("user.id|cidr", "192.0.2.4/30"), ("user.id|cidr", "2001:db8::/32"),
    ],
)  # fmt: skip
def test_what_sql_cannot_say_it_leaves_to_the_engine(shelf: Shelf, line: str, value: object) -> None:
    least, engine, most = found(shelf, "user.id", list(TEXTS), line, value)
    assert set(least) <= set(engine) < set(most)


def test_a_network_lets_few_other_addresses_through(shelf: Shelf) -> None:
    addresses: list[Value] = [f"192.0.{third}.{fourth}" for third in (1, 2, 20) for fourth in (0, 3, 4, 7, 8, 255)]
    for network in ("192.0.2.0/24", "192.0.2.4/30", "192.0.0.0/21", "0.0.0.0/0", "192.0.2.7/32"):
        least, engine, most = found(shelf, "source.ip", addresses, "source.ip|cidr", network)
        assert least == engine == most, network


def test_numbers_and_truths_compare_by_their_text(shelf: Shelf) -> None:
    codes: list[Value] = [-3, 0, 1, 10, 404, 2**53 + 1, 2**62]
    for line, value in [("n", "404"), ("n", "0404"), ("n", "4?4"), ("n", "*0*"), ("n", "a*"), ("n|gt", 10), ("n|lte", 2**53), ("n", 2**70)]:
        least, engine, most = found(shelf, "http.response.status_code", codes, line.replace("n", "http.response.status_code"), value)
        assert least == engine == most, (line, value)
    degrees: list[Value] = [0.0, -0.0, 1.0, 1.5, 1e-7, 1e19]
    for value in ("0", "-0.0", "1", "1.0", "1.5", "1e-07", "1E+19", "x*", "*"):
        least, engine, most = found(shelf, "source.geo.location.lat", degrees, "source.geo.location.lat", value)
        assert least == engine == most, value
    for value in (True, "true", "TRUE", "t*", "*", "x", False):
        least, engine, most = found(shelf, "health.break_glass", [True, False], "health.break_glass", value)
        assert least == engine == most, value


def test_one_element_of_a_list_is_enough(shelf: Shelf) -> None:
    lists: list[Value] = [[], ["a"], ["b", "A"], ["ab", ""], ["İ"]]
    for line, value in [("", "a"), ("", ["a", "b"]), ("|contains", "b"), ("", "*"), ("", None), ("|exists", True), ("|cased", "A")]:
        least, engine, most = found(shelf, "event.category", lists, "event.category" + line, value)
        assert least == engine == most, (line, value)
