"""Each modifier, and each combination that is refused."""

import base64

import pytest

from siem.detection.conditions import compile_tree
from siem.detection.modifiers import MODIFIERS, ItemError, item_node
from siem.detection.predicates import View

LISTS = {"admins": ["root", "adm*"], "nets": ["192.0.2.0/24"], "chief": ["root"], "many": [f"v{number}" for number in range(5000)]}


def matches(key: str, value: object, fields: dict[str, object]) -> bool:
    node = item_node(key, value, LISTS, lambda name: name)
    return compile_tree(node)(View(fields))


BASE64 = base64.b64encode(b"xx/bin/bash -i").decode()
CASES = [
    ("f", "Value", {"f": "vALUE"}, True),
    ("f", "value", {"f": "value "}, False),
    ("f|cased", "Value", {"f": "Value"}, True),
    ("f|cased", "Value", {"f": "value"}, False),
    ("f|contains", "lu", {"f": "VALUE"}, True),
    ("f|contains|cased", "lu", {"f": "VALUE"}, False),
    ("f|startswith", "va", {"f": "Value"}, True),
    ("f|startswith", "al", {"f": "Value"}, False),
    ("f|endswith", "UE", {"f": "Value"}, True),
    ("f|endswith", "va", {"f": "Value"}, False),
    ("f|contains", "a*e", {"f": "xaxxex"}, True),
    ("f|startswith", "a?c", {"f": "abcd"}, True),
    ("f|contains|all", ["a", "b"], {"f": "xbxa"}, True),
    ("f|contains|all", ["a", "c"], {"f": "xbxa"}, False),
    ("f|contains", ["q", "b"], {"f": "xbxa"}, True),
    ("f", ["a", "b*"], {"f": "bcd"}, True),
    ("f", ["a", "b*"], {"f": ["z", "bcd"]}, True),
    ("f", "a", {"f": ["z", "b"]}, False),
    ("f", "a", {}, False),
    ("f", "*", {"f": ""}, True),
    ("f", "*", {}, False),
    # numbers and booleans compare by their text
    ("f", 4624, {"f": 4624}, True),
    ("f", 4624, {"f": "4624"}, True),
    ("f", "4624", {"f": 4624}, True),
    ("f", 4624, {"f": 4624.0}, True),
    ("f", 4624, {"f": 46240}, False),
    ("f", True, {"f": True}, True),
    ("f", True, {"f": "True"}, True),
    ("f", True, {"f": 1}, False),
    ("f|contains", 10, {"f": "x10y"}, True),
    # null, empty and absent are three things
    ("f", None, {}, True),
    ("f", None, {"f": None}, True),
    ("f", None, {"f": ""}, False),
    ("f", "", {"f": ""}, True),
    ("f", "", {}, False),
    ("f", "", {"f": None}, False),
    ("f|exists", True, {"f": None}, True),
    ("f|exists", True, {"f": ""}, True),
    ("f|exists", True, {}, False),
    ("f|exists", False, {}, True),
    # neq is the negation of the item
    ("f|neq", "a", {"f": "b"}, True),
    ("f|neq", "a", {"f": "A"}, False),
    ("f|neq", "a", {}, True),
    ("f|neq", ["a", "b"], {"f": "b"}, False),
    ("f|contains|neq", "a", {"f": "xax"}, False),
    ("f|fieldref|neq", "g", {"f": "a", "g": "b"}, True),
    # regular expressions are found anywhere, and mind the case
    ("f|re", "^a.c", {"f": "abcd"}, True),
    ("f|re", "B", {"f": "abc"}, False),
    ("f|re|i", "B", {"f": "abc"}, True),
    ("f|re|m", "^b", {"f": "a\nb"}, True),
    ("f|re", "^b", {"f": "a\nb"}, False),
    ("f|re|s", "a.b", {"f": "a\nb"}, True),
    ("f|re", "a.b", {"f": "a\nb"}, False),
    ("f|re|i|s", "A.B", {"f": "a\nb"}, True),
    ("f|re", ["x", "b+"], {"f": "abb"}, True),
    # what else modifiers say of an expression
    ("f|re|startswith", "b.|c", {"f": "bx"}, True),
    ("f|re|startswith", "b.|c", {"f": "abx"}, False),
    ("f|re|startswith|m", "b", {"f": "a\nb"}, False),
    ("f|re|endswith", "a|b", {"f": "xb"}, True),
    ("f|re|endswith", "a|b", {"f": "bx"}, False),
    ("f|re|contains", "b", {"f": "abc"}, True),
    ("f|re|expand", "^%admins%$", {"f": "root"}, True),
    ("f|re|neq", "^a", {"f": "b"}, True),
    ("f|cidr|neq", "192.0.2.0/24", {"f": "192.0.2.7"}, False),
    ("f|gt|neq", 3, {"f": 3}, True),
    ("f|all|neq", ["a*", "*b"], {"f": "ac"}, True),
    ("f|all|neq", ["a*", "*b"], {"f": "ab"}, False),
    ("f|neq", None, {"f": "x"}, True),
    ("f|neq", None, {}, False),
    # networks
    ("f|cidr", "192.0.2.0/24", {"f": "192.0.2.200"}, True),
    ("f|cidr", "192.0.2.0/24", {"f": "192.0.3.1"}, False),
    ("f|cidr", ["10.0.0.0/8", "2001:db8::/32"], {"f": "2001:DB8::1"}, True),
    ("f|cidr", "2001:db8::/32", {"f": "2001:db9::1"}, False),
    ("f|cidr", "192.0.2.0/24", {"f": "::ffff:192.0.2.1"}, True),
    ("f|cidr", "::ffff:192.0.2.0/120", {"f": "192.0.2.1"}, True),
    ("f|cidr", "::ffff:c000:200/120", {"f": "192.0.3.1"}, False),
    ("f|cidr", "::ffff:0:0/96", {"f": "::ffff:198.51.100.1"}, True),
    ("f|cidr", "192.0.2.0/24", {"f": "not an address"}, False),
    ("f|cidr", "0.0.0.0/0", {"f": "2001:db8::1"}, False),
    ("f|cidr|expand", "%nets%", {"f": "192.0.2.1"}, True),
    # comparisons
    ("f|gt", 10, {"f": 10.5}, True),
    ("f|gt", 10, {"f": 10}, False),
    ("f|gte", 10, {"f": "10"}, True),
    ("f|lt", 10, {"f": -3}, True),
    ("f|lte", 10, {"f": 10}, True),
    ("f|lte", 10, {"f": 11}, False),
    ("f|lt", 10, {"f": 10}, False),
    ("f|re|i", "B", {"f": "ac"}, False),
    ("f|re|s", "a.b", {"f": "a\n\nb"}, False),
    ("f|base64", "/bin/bash", {"f": "L2Jpbi9zaA=="}, False),
    ("f|wide|base64offset|contains", "ping", {"f": "cGluZw=="}, False),
    ("f|utf16le|base64", "abc", {"f": "//5hAGIAYwA="}, False),
    ("f|utf16be|base64", "abc", {"f": "YQBiAGMA"}, False),
    ("f|utf16|base64", "abc", {"f": "YQBiAGMA"}, False),
    ("f|expand", "%admins%", {"f": "user"}, False),
    ("t|minute", 3, {"t": "2026-11-22T03:59:00Z"}, False),
    ("t|day", 23, {"t": "2026-11-22T23:59:00Z"}, False),
    ("t|week", 48, {"t": "2026-11-22"}, False),
    ("t|month", 12, {"t": "2026-11-22"}, False),
    ("f|lte", 10, {"f": "abc"}, False),
    ("f|lte", 10, {"f": "nan"}, False),
    ("f|lte", 10, {}, False),
    ("f|lt", "2.5", {"f": 2}, True),
    ("f|gt", 10, {"f": "1_000"}, False),
    ("f|gt", 10, {"f": "inf"}, False),
    ("f|gt", 10, {"f": "1e400"}, False),
    # other fields
    ("f|fieldref", "g", {"f": "A", "g": "a"}, True),
    ("f|fieldref|cased", "g", {"f": "A", "g": "a"}, False),
    ("f|fieldref", "g", {"f": "a"}, False),
    ("f|fieldref|startswith", "g", {"f": "Abc", "g": "aB"}, True),
    ("f|fieldref|endswith", "g", {"f": "abc", "g": "bc"}, True),
    ("f|fieldref|contains", "g", {"f": "abc", "g": "x"}, False),
    # encodings
    ("f|base64", "/bin/bash", {"f": base64.b64encode(b"/bin/bash").decode()}, True),
    ("f|base64offset|contains", "/bin/bash", {"f": BASE64}, True),
    ("f|base64offset|contains", "/bin/zsh", {"f": BASE64}, False),
    ("f|wide|base64offset|contains", "ping", {"f": base64.b64encode("do ping x".encode("utf-16-le")).decode()}, True),
    ("f|utf16le|base64", "abc", {"f": base64.b64encode("abc".encode("utf-16-le")).decode()}, True),
    ("f|utf16be|base64", "abc", {"f": base64.b64encode("abc".encode("utf-16-be")).decode()}, True),
    ("f|utf16|base64", "abc", {"f": base64.b64encode(b"\xff\xfe" + "abc".encode("utf-16-le")).decode()}, True),
    # dashes
    ("f|windash|contains", " -f ", {"f": "x /f y"}, True),
    ("f|windash|contains", " -f ", {"f": "x \u2014f y"}, True),
    ("f|contains|windash|all", [" /a", " -b"], {"f": "x -a \u2013b"}, True),
    ("f|windash|contains", "a-b", {"f": "a/b"}, False),
    ("f|windash|contains", " \u2013f ", {"f": "x -f y"}, True),
    ("f|windash|contains", " \u2015f ", {"f": "x \u2014f y"}, True),
    # placeholders
    ("f|expand", "%admins%", {"f": "ADMIN"}, True),
    ("f|expand", "x%admins%", {"f": "xroot"}, True),
    ("f|expand", r"\%admins%", {"f": "%admins%"}, True),
    ("f", "%admins%", {"f": "root"}, False),
    ("f|expand", r"\%plain%admins%", {"f": "%plainroot"}, True),
    ("f|expand", "%admins%-%admins%", {"f": "root-adm1"}, True),
    ("f|expand|contains", "%admins%", {"f": "xrooty"}, True),
    ("f|expand|base64", "%chief%", {"f": base64.b64encode(b"root").decode()}, True),
    # instants
    ("t|hour", 3, {"t": "2026-11-22T03:59:00+01:00"}, True),
    ("t|hour|gte", 4, {"t": "2026-11-22T03:59:00+01:00"}, False),
    ("t|minute", 59, {"t": "2026-11-22T03:59:00Z"}, True),
    ("t|day", 22, {"t": "2026-11-22T03:59:00Z"}, True),
    ("t|week", 47, {"t": "2026-11-22"}, True),
    ("t|month|lt", 12, {"t": "2026-11-22"}, True),
    ("t|year", 2026, {"t": "2026-11-22"}, True),
    ("t|year", 2026, {"t": "yesterday"}, False),
    # keywords search every value
    ("", "evil", {"a": "x", "b": ["n", "very EVIL thing"]}, True),
    ("", "evil", {"evil": "x"}, False),
    ("", ["no", "thing"], {"b": "something"}, True),
    ("|all", ["some", "other"], {"a": "something", "b": "another"}, True),
    ("|all", ["some", "missing"], {"a": "something", "b": "another"}, False),
    ("|cased", "Evil", {"a": "evil"}, False),
    ("|re", "ev.l", {"a": "an evil"}, True),
    ("", 4104, {"a": 4104}, True),
]


@pytest.mark.parametrize(("key", "value", "fields", "expected"), CASES)
@pytest.mark.trap("time modifiers")
def test_means_what_the_specification_says(key: str, value: object, fields: dict[str, object], expected: bool) -> None:
    assert matches(key, value, fields) is expected


#: The appendix «Modifiers» of the specification 2.1.0.
SPECIFIED = {
    *("all", "startswith", "endswith", "contains", "exists", "cased", "neq", "windash"),
    *("re", "i", "m", "s"),
    *("base64", "base64offset", "utf16", "utf16le", "utf16be", "wide"),
    *("lt", "lte", "gt", "gte"),
    *("minute", "hour", "day", "week", "month", "year"),
    *("cidr", "expand", "fieldref"),
}


def test_every_modifier_of_the_specification_has_a_case_that_matches_and_one_that_does_not() -> None:
    assert MODIFIERS == SPECIFIED
    for expected in (True, False):
        tried = {word for key, _, _, outcome in CASES if outcome is expected for word in key.split("|")[1:]}
        assert SPECIFIED - tried == set(), f"no case that is {expected}"


def test_every_modifier_has_a_case() -> None:
    assert {word for key, *_ in CASES for word in key.split("|")[1:]} >= MODIFIERS


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("f|near", "a", "unknown modifier «near»"),
        ("f|all", "a", "«all» needs a list"),
        ("f", [], "the list of values is empty"),
        ("f", ["a", None], "null may not stand in a list"),
        ("f", [["a"]], "found a map or a list"),
        ("f|contains", None, "null cannot be combined"),
        ("", None, "null needs a field"),
        ("f|exists", "yes", "true or false"),
        ("f|re", "(", "not a regular expression"),
        ("f|re|base64", "a", "cannot be combined"),
        ("f|re", "(?s:a)(?=b)(a+)+", "costly"),
        ("f|re|startswith", "(?i)a", "not a regular expression"),
        ("f|exists", [True, False], "one value"),
        ("f|expand", "%many%%many%", "more than 20000 values"),
        ("f|i", "a", "belongs to «re»"),
        ("f|cidr", "192.0.2.300/24", "not a network"),
        ("f|gt", "ten", "a finite number is expected"),
        ("f|gt", 10**400, "a finite number is expected"),
        ("f|hour|lt", float("nan"), "a finite number is expected"),
        ("f|lte", "inf", "a finite number is expected"),
        ("f|base64offset|contains", "a", "needs two bytes"),
        ("f|base64offset|contains", "", "needs two bytes"),
        ("f|re", "[[:digit:]]+", "POSIX"),
        ("f|gt|lt", 3, "«gt» and «lt» exclude one another"),
        ("f|hour|gt|lt", 3, "«gt» and «lt» exclude one another"),
        ("f|hour|gte", 24, "from 0 to 23"),
        ("f|minute", 12.5, "from 0 to 59"),
        ("f|day|lt", 1, "from 1 to 31"),
        ("f|month", 0, "from 1 to 12"),
        ("f|week|gt", 53, "from 1 to 53"),
        ("f|re|cidr", "a", "exclude one another"),
        ("f|fieldref", "g*", "without wildcard"),
        ("|fieldref", "g", "needs a field"),
        ("f|base64", "a*", "cannot encode a wildcard"),
        ("f|wide|utf16be", "a", "only one may be given"),
        ("f|expand", "%servers%", "no values are known for the placeholder %servers%"),
        ("f|windash", " -a -b -c -d -e", "more than"),
    ],
)
def test_refuses_what_cannot_be_honoured(key: str, value: object, problem: str) -> None:
    with pytest.raises(ItemError, match=problem.replace("(", r"\(")):
        matches(key, value, {})


def test_a_long_list_is_as_good_as_a_short_one() -> None:
    assert matches("f|expand|contains", "%many%", {"f": "x v4999 y"})
    assert not matches("f|expand", "%many%", {"f": "v5000"})


def test_a_list_is_not_read_for_the_names_of_others() -> None:
    node = item_node("f|expand", "%a%%b%", {"a": ["%b%"], "b": ["x"]}, lambda name: (name,))
    assert compile_tree(node)(View({"f": "%b%x"}))
