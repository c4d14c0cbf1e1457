"""What an outsider attacks: the provider in this process, or a real one on a port of loopback."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.scene import Scene, prepare
from tests.idp.endpoints.login_flow import Provider, running_provider
from tests.idp.wire import Wire, running


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """A provider of one's own."""
    with running(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A provider for the tests of a file that leave nothing behind."""
    with running(tmp_path_factory.mktemp("provider")) as started:
        yield started


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    """A provider with the demonstration's people, browsers and phones."""
    with running_provider(tmp_path) as started:
        yield started


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A real ``idp serve`` with the demonstration's people and services."""
    # What is off unless somebody asks for it is attacked as well.
    settings = {"IDP_ADMIN_PORT": str(_free_port()), "IDP_ADMINISTRATORS": "899700000005", "IDP_CLIENT_REGISTRATION": "true"}
    made = prepare(tmp_path_factory.mktemp("scene"), idp_port=_free_port(), watch_port=_free_port(), idp_settings=settings)
    made.idp.start()
    made.idp.wait_ready()
    yield made
    made.idp.stop()


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
