"""Real servers in temporary folders, driven from outside."""

import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

import pytest
import yaml

from deploy.demo import scene
from deploy.demo.phone import Phone, wall
from deploy.demo.scene import Scene
from deploy.demo.wire import Browser

PIN = "2580"
DOCTOR = "899700000005"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The identity provider alone, with the demonstration's people and services, following the wall clock."""
    prepared = scene.prepare(tmp_path_factory.mktemp("provider"), idp_port=free_port(), watch_port=free_port())
    prepared.idp.start()
    try:
        prepared.idp.wait_ready()
        yield prepared
    finally:
        prepared.stop()


@pytest.fixture(scope="module")
def phone(provider: Scene) -> Phone:
    """The doctor's phone."""
    return Phone(provider.idp_url, provider.activation_code(DOCTOR)[0], PIN, "Téléphone")


@pytest.fixture(scope="module")
def clients() -> dict[str, dict[str, object]]:
    """Registered relying parties by client_id."""
    document = yaml.safe_load((scene.HERE / "clients.yaml").read_text(encoding="utf-8"))
    return {client["client_id"]: client for client in document["clients"]}


def approve(authorization_url: str, phone: Phone, redirect_uri: str, national_id: str = DOCTOR) -> str:
    """What the person does between the service's redirect and the way back to it; returns the callback's URL."""
    browser = Browser("192.0.2.10")
    waiting = browser.submit(browser.open(authorization_url), "identify", national_id=national_id)
    html = waiting.answer.text()
    code = html[html.index(">", html.index('id="code"')) + 1 :].split("<", 1)[0].strip()
    assert phone.answer(phone.approvals(wall())[-1], "approve", wall(), code=code) == "approved"
    target = waiting.answer.url
    while not target.startswith(redirect_uri):
        answer = browser.get(target)
        if answer.status == HTTPStatus.OK:
            # Who asks registered itself: the person sees it once.
            form = browser.open(target).form("consent")
            answer = browser.post_form(urljoin(target, form.action), form.fields)
        target = urljoin(target, answer.expect(302, 303).headers["Location"])
    return target


def artefact(name: str) -> Path:
    """Where a test leaves something to look at."""
    folder = Path(__file__).parents[2] / "artefacts"
    folder.mkdir(exist_ok=True)
    return folder / name
