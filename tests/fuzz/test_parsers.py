"""Nothing that anybody sends makes a parser fail: a result, or a refusal that it declares. Longer and guided by coverage: ``make fuzz``."""

import tracemalloc
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import routes
from tests.fuzz.mutation import HOSTILE, UNFOLDING, mutated
from tests.fuzz.registry import TARGETS
from tests.fuzz.target import Target

#: Of an input that fails, as many bytes are shown; the whole of it is in a file.
_SHOWN = 400
EVERY = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def _run(target: Target, data: bytes) -> None:
    try:
        target.run(data)
    except BaseException as fault:
        fault.add_note(f"target {target.name}, {len(data)} bytes, the first of them: {data[:_SHOWN]!r}")
        raise


@EVERY
def test_seeds_and_hostile_bytes_are_read_or_refused(target: Target) -> None:
    for data in (*target.seeds, *HOSTILE):
        _run(target, data[: target.longest])


@EVERY
def test_what_is_deep_or_repeats_itself_needs_little_memory(target: Target) -> None:
    for data in UNFOLDING:
        tracemalloc.start()
        try:
            _run(target, data[: target.longest])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < target.memory, f"{peak} bytes for {data[:40]!r}…"


@EVERY
def test_what_lies_beside_a_good_input_is_read_or_refused(target: Target) -> None:
    @settings(max_examples=target.examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def drawn(state: int) -> None:
        random = Random(state)
        _run(target, mutated(random.choice(target.seeds), target.shape, random, longest=target.longest))

    drawn()


@pytest.fixture(scope="module")
def applications() -> Iterator[dict[str, Target]]:
    yield {target.name: target for target in routes.targets()}
    routes.stop()


@pytest.mark.parametrize(("name", "count"), [("provider-routes", 500), ("watch-routes", 60)])
def test_no_request_to_any_route_is_a_fault_of_ours(applications: dict[str, Target], name: str, count: int) -> None:
    target = applications[name]
    for seed in target.seeds:
        _run(target, seed)
    random = Random(0)
    for _ in range(count):
        _run(target, mutated(random.choice(target.seeds), target.shape, random, longest=target.longest))
