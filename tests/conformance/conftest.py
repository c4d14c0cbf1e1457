"""A provider with what the OpenID conformance suite registers: one client that may do everything the plan tries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.fapi import Fapi
from tests.idp.wire import Wire, running


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with running(tmp_path, outbound_loopback=True) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A provider for the tests of a file that leave nothing behind but the time."""
    with running(tmp_path_factory.mktemp("provider")) as started:
        yield started


@pytest.fixture
def fapi(shared: Wire) -> Fapi:
    return Fapi(shared, "fapi", scope=frozenset({"openid", "profile"}))


@pytest.fixture
def second(shared: Wire) -> Fapi:
    return Fapi(shared, "fapi-second")


@pytest.fixture
def signer(shared: Wire) -> Fapi:
    return Fapi(shared, "fapi-signs", signs=True)
