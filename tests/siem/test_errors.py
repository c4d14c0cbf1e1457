from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from siem.errors import DataError, OperationError


@contextmanager
def within() -> Iterator[None]:
    yield


@pytest.mark.parametrize("error", [DataError("rules/x.yml", 3, "level", "unknown"), OperationError("reading", "x", retry_helps=True)])
def test_an_error_passes_through_a_context_manager_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, within():
        raise error
    assert caught.value is error


def test_errors_that_say_the_same_are_one() -> None:
    said = [DataError("rules/x.yml", 3, "level", "unknown") for _ in range(2)]
    assert len(dict.fromkeys(said)) == 1 and str(said[0]) == "rules/x.yml:3: level: unknown"
