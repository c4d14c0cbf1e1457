import itertools

from hypothesis import given
from hypothesis import strategies as st

from siem.detection.chains import earliest_ends, latest_begins
from siem.detection.windows import Entry

rows = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.sampled_from("abcdefgh")), max_size=9, unique=True)


@given(rows)
def test_the_shortest_chain_through_an_entry_is_found(some: list[tuple[int, int, str]]) -> None:
    region: list[Entry] = sorted((at, step, event, "", (), ()) for at, step, event in some)
    begins, ends = latest_begins(region, 3), earliest_ends(region, 3)
    chains = [
        chain
        for chain in itertools.product(*([entry for entry in region if entry[1] == step] for step in range(3)))
        if all(one[0] <= other[0] and one[2] != other[2] for one, other in itertools.pairwise(chain))
    ]
    for place, entry in enumerate(region):
        spans = [chain[-1][0] - chain[0][0] for chain in chains if entry in chain]
        first, last = begins[place], ends[place]
        assert (min(spans) if spans else None) == (last - first if first is not None and last is not None else None)
