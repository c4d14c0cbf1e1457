from collections.abc import Callable

import httpx
import pytest

from siem.declarations.filing import DeskRefused, DeskUnreachable, FilingClient
from tests.siem.declarations.world import DIRECTOR, KEY, World


@pytest.fixture
def body(world: World) -> bytes:
    return world.dossiers.validate(world.complete(), DIRECTOR).body


def _raise(error: Exception) -> httpx.Response:
    raise error


LOST: list[Callable[[httpx.Request], httpx.Response]] = [
    lambda request: _raise(httpx.ConnectError("refused")),
    lambda request: _raise(httpx.ReadTimeout("slow")),
    lambda request: httpx.Response(500),
    lambda request: httpx.Response(429),
    lambda request: httpx.Response(201, content=b"<html>"),
    lambda request: httpx.Response(201, json=[]),
    lambda request: httpx.Response(201, json={"jws": "a.b.c"}),
]


@pytest.mark.parametrize("loss", LOST)
def test_an_answer_that_was_lost_is_asked_for_again(world: World, body: bytes, loss: Callable[[httpx.Request], httpx.Response]) -> None:
    def lose_the_first(request: httpx.Request, count: int) -> httpx.Response | None:
        if count > 1 or request.method != "POST":
            return None
        world.wire.deliver(request)
        return loss(request)

    world.wire.fate = lose_the_first
    assert world.filing.file(body).number == "VEI-2026-000001"
    assert world.waited == [0.2]


@pytest.mark.parametrize("loss", LOST[:4])
def test_it_gives_up_after_every_attempt(world: World, body: bytes, loss: Callable[[httpx.Request], httpx.Response]) -> None:
    world.wire.fate = lambda request, count: loss(request)
    with pytest.raises(DeskUnreachable):
        world.filing.file(body)
    assert (len(world.wire.received), world.waited) == (3, [0.2, 1.0])


def test_a_refusal_is_final_and_names_the_fields(world: World) -> None:
    with pytest.raises(DeskRefused) as caught:
        world.filing.file(b'{"format": "x"}')
    assert "format" in dict(caught.value.faults)
    assert world.waited == []


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_another_answer_is_a_refusal_even_without_a_readable_body(world: World, status: int) -> None:
    world.wire.fate = lambda request, count: httpx.Response(status, content=b"<html>", headers={"location": "http://elsewhere.example"})
    with pytest.raises(DeskRefused, match=str(status)):
        world.filing.file(b"{}")
    assert len(world.wire.received) == 1


def test_a_receipt_about_another_content_is_not_believed(world: World, body: bytes) -> None:
    other = world.filing.file(body)
    world.wire.fate = lambda request, count: httpx.Response(201, json={"jws": other.jws}) if request.method == "POST" else None
    with pytest.raises(DeskUnreachable, match="autre contenu"):
        world.filing.file(body + b" ")


@pytest.mark.parametrize("url", ["http://guichet.example", "ftp://127.0.0.1", "guichet", "http://127.0.0.1.evil.example"])
def test_plain_http_to_another_machine_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        FilingClient(url, KEY)


def test_https_and_this_machine_are_accepted() -> None:
    for url in ("https://guichet.example/", "http://127.0.0.1:8900", "http://[::1]:8900", "http://localhost"):
        assert FilingClient(url, KEY)
