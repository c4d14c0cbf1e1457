"""Where other implementations of Sigma say something else than this one: each found by comparing, and played on both sides by a test.

A test names its disagreement with ``@pytest.mark.disagreement("…")``; docs/reference/disagreements.md is written from here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Disagreement:
    """What is said there and here, and who is right and why; ``open`` where the text of the specification does not settle it."""

    there: str
    here: str
    right: str


#: By oracle, and by a name that the tests use.
ORACLES: Final[Mapping[str, Mapping[str, Disagreement]]] = {
    "pySigma 1.5, which reads rules": {
        "utf16le": Disagreement("unknown modifier", "UTF-16, little end first", "here: the specification lists it"),
        "the mark of utf16": Disagreement("begins with EF BB BF", "begins with FF FE", "here: the specification’s own example"),
        "encodings beyond ASCII": Disagreement("`wide` and `utf16be` of such letters are refused", "encoded", "here"),
        "a range": Disagreement("one comparison alone", "`gte` and `lt` together make a range", "here: the specification has ranges"),
        "several fields to count": Disagreement("refused", "read", "here: the specification has lists of fields"),
        "1 of over rules": Disagreement(
            "refused in a correlation’s condition", "read", "open: the specification has it for selections, and says nothing of rules"
        ),
        "a rule listed twice in an order": Disagreement("listed once", "two matches, one after the other", "here"),
        "a filter on a correlation": Disagreement(
            "passed over in silence", "named as a mistake", "here: a filter that does nothing is no filter"
        ),
        "a filter of no rules": Disagreement("an empty list means all rules", "refused", "here: the specification asks for one at least"),
    },
    "pySigma’s SQLite backend 2.0, which finds events": {
        "a network among other lines": Disagreement(
            "the addresses lose their parentheses: `f='x' AND ip=… OR ip=…`",
            "all lines must hold",
            "here: lines of a map are joined by AND",
        ),
        "a network of IPv6": Disagreement("any text that begins with `2001:db8:`", "the addresses of the network", "here"),
        "weeks": Disagreement("weeks from the first Monday (`%W`)", "ISO weeks", "open: the text says 1 to 52, ISO has 53 in some years"),
        "case beyond ASCII": Disagreement("`É` and `é` differ", "equal", "here: values have no case but under `cased`"),
        "null that is there": Disagreement("the same as absent", "`exists` tells them apart", "here: it looks at presence alone"),
        "order at one instant": Disagreement("wants a later one", "in order", "open: clocks of one second would else hide a sequence"),
        "chains of an order": Disagreement("the first", "all that there are", "here: all of them happened"),
        "case of groups": Disagreement("compared without case", "kept apart", "open: identifiers of people and devices often mind case"),
        "a condition of exclusions alone": Disagreement(
            "`not a` fires at whatever else the group does", "refused", "open: of a time in which nothing happens there are endlessly many"
        ),
    },
    "The specification’s own text": {
        "the sample of a filter": Disagreement(
            "«filter the administrators» with `condition: selection`",
            "(rule) and (filter): such a filter keeps the administrators alone",
            "here, as pySigma: the condition is added with AND, and one that leaves something out says `not`",
        ),
        "the list of types": Disagreement(
            "«Allowed values» of `type` has no `value_sum`, `value_avg`, `value_percentile`",
            "read",
            "here: they are described below that list, and in the schema",
        ),
    },
    "The regression cases of SigmaHQ’s rules (202 with events in JSON)": {
        "more matches than a case counts": Disagreement(
            "six cases count fewer: dropped credential files and AnyDesk (1 of 3), GitHub runner, DTrace and administrative share (1 of "
            "2), security zones (1 of 3)",
            "every event that the rule describes matches",
            "here: the files hold further events of the same kind; more than counted passes by the authors’ own criterion",
        ),
    },
}
NAMES: Final = frozenset(name for cases in ORACLES.values() for name in cases)


def page(header: str, tests: Mapping[str, Collection[str]], table: Callable[[Iterable[str], Iterable[Iterable[str]]], str]) -> str:
    """The page of the reference: a table for each oracle, with the ``tests`` of each name."""
    parts = [
        f"{header}\n# Where others say something else\n\nFound by comparing. Each row is played on both sides by the test beside it, which "
        "names it with `@pytest.mark.disagreement`. How rules are read here: [Sigma, as Veilleur reads it](../sigma.md).\n"
    ]
    for oracle, cases in ORACLES.items():
        rows = ((name, one.there, one.here, one.right, "<br>".join(sorted(tests[name]))) for name, one in cases.items())
        parts.append(f"\n## {oracle}\n\n{table(('case', 'there', 'here', 'who is right', 'test'), rows)}")
    return "".join(parts)
