"""Alternatives by definition: every chain, every window, of every few matches."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from siem.detection.chains import Look, Rows, find, held
from siem.detection.terms import Term
from siem.detection.windows import Entry

SPAN = 3
stories = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from("abcdefgh")), max_size=10, unique=True)
ORDER = Term((0, 1, 2))


def entries(story: list[tuple[int, int, str]]) -> list[Entry]:
    return [(at, place, event, "", (), ()) for at, place, event in story]


def chains(row: list[Entry]) -> list[tuple[Entry, ...]]:
    rows = [[entry for entry in row if entry[1] == place] for place in ORDER.wanted]
    return [
        chain
        for chain in itertools.product(*rows)
        if all(one[0] <= other[0] and one[2] != other[2] for one, other in itertools.pairwise(chain))
    ]


@given(stories, st.integers(0, 2**16))
def test_what_each_arrival_lets_contribute_is_what_whole_chains_say(story: list[tuple[int, int, str]], seed: int) -> None:
    arriving, rows, kept = entries(story), Rows([], b""), list[Entry]()
    rng = random.Random(seed)
    woken: set[Entry] = set()
    while arriving:
        new = sorted(arriving[: rng.randint(1, 3)])
        arriving = arriving[len(new) :]
        for entry in new:
            rows.add(entry)
            kept.append(entry)
        for first, last, some in find(rows, ORDER, Look(SPAN, True, 0, -1), new):
            assert woken.isdisjoint(some)
            woken.update(some)
            lengths = {chain[-1][0] - chain[0][0] for chain in chains(kept) if some[0] in chain}
            assert min(lengths) == last - first
        short = [chain for chain in chains(kept) if chain[-1][0] - chain[0][0] <= SPAN]
        assert woken == {entry for chain in short for entry in chain}
        assert {entry for _, entry in held(rows, ORDER, Look(SPAN, True, 0, -1), 0, 9)} == {chain[-1] for chain in short}
        idle = sorted(entry for row in rows.idle.values() for entry in row)
        assert idle == sorted(set(kept) - woken)


@given(stories, st.booleans())
def test_a_window_without_a_rule_begins_with_a_match_and_is_whole(story: list[tuple[int, int, str]], ordered: bool) -> None:
    row = sorted(entries(story))
    term, look = Term((0, 1), (3,)), Look(SPAN, ordered, 0, 6)
    begins = []
    expected: set[Entry] = set()
    for begin in sorted({entry[0] for entry in row if entry[1] in term.wanted and entry[0] <= look.until}):
        inside = [entry for entry in row if begin <= entry[0] <= begin + SPAN]
        pairs = [
            pair
            for pair in itertools.product(*([entry for entry in inside if entry[1] == place] for place in term.wanted))
            if not ordered or (pair[0][0] <= pair[1][0] and pair[0][2] != pair[1][2])
        ]
        if pairs and not any(entry[1] == 3 for entry in inside):
            begins.append(begin)
            expected.update(entry for pair in pairs for entry in pair)
    rows = Rows(row, bytes(len(row)))
    assert [at - SPAN for at, _ in held(rows, term, look, 0, 9)] == begins
    assert {entry for _, _, some in find(rows, term, look, []) for entry in some} == expected
    assert find(rows, term, look, []) == [], "nothing is found twice"


def test_rows_forget_from_the_begin() -> None:
    row = entries([(1, 0, "a"), (2, 1, "b"), (3, 0, "c")])
    rows = Rows(row, b"\0\1\0")
    rows.cut(row[1])
    assert (rows.of(0), rows.of(1), rows.of(2)) == ([row[2]], [row[1]], ())
    assert rows.idle == {0: [row[2]]}
    rows.cut(None)
    assert rows.of(0) == [] and rows.idle == {0: []}
