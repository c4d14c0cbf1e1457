import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from idp.client_keys import FRESH, STALE, ClientKeys
from idp.model import Client
from idp.outbound import Outbound
from tests.idp.relying_party import public_jwks, sign
from tests.idp.served import Site, serving
from tests.idp.wire import Wall, client


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as started:
        yield started


class _Reader:
    def __init__(self, site: Site, path: str = "/keys") -> None:
        self.wall = Wall()
        self.keys = ClientKeys(Outbound(allow_loopback=True), self.wall)
        self.client: Client = client("c", jwks_uri=f"{site.base}{path}")

    def kids(self, token: str | None = None) -> list[str] | None:
        jwks: Any = asyncio.run(self.keys.of(self.client, token)).jwks
        return None if jwks is None else [key["kid"] for key in jwks["keys"]]


@pytest.mark.spec("OIDCR-2")
def test_keys_are_read_once_and_remembered(site: Site) -> None:
    site.put("/keys", public_jwks("ES256"))
    reader = _Reader(site)
    assert [reader.kids() for _ in range(5)] == [["key-ES256"]] * 5
    assert site.asked == ["/keys"]
    reader.wall.advance(FRESH.total_seconds())
    assert reader.kids() == ["key-ES256"]
    assert site.asked == ["/keys"] * 2


def test_a_client_with_registered_keys_is_left_as_it_is() -> None:
    registered = client("c", jwks=public_jwks())
    assert asyncio.run(ClientKeys(Outbound(), Wall()).of(registered)) is registered


@pytest.mark.spec("OIDCC-10.1.1")
def test_a_new_key_is_found_when_something_is_signed_with_it_but_not_more_often_than_every_half_minute(site: Site) -> None:
    site.put("/keys", public_jwks("ES256"))
    reader = _Reader(site)
    assert reader.kids() == ["key-ES256"]
    site.put("/keys", public_jwks("ES256", "PS256"))
    token = sign({"a": 1}, alg="PS256")
    reader.wall.advance(29)
    assert reader.kids(token) == ["key-ES256"]
    reader.wall.advance(1)
    assert reader.kids(token) == ["key-ES256", "key-PS256"]
    for _ in range(20):
        reader.kids(sign({"a": 1}, alg="RS256"))
    assert len(site.asked) == 2


def test_many_requests_at_once_read_once(site: Site) -> None:
    site.put("/keys", public_jwks("ES256"))
    reader = _Reader(site)

    async def together() -> None:
        await asyncio.gather(*(reader.keys.of(reader.client) for _ in range(20)))

    asyncio.run(together())
    assert site.asked == ["/keys"]


def test_an_address_that_fails_leaves_the_keys_as_they_were_for_a_day(site: Site) -> None:
    site.put("/keys", public_jwks("ES256"))
    reader = _Reader(site)
    reader.kids()
    site.put("/keys", b"", status=500)
    reader.wall.advance(FRESH.total_seconds())
    assert reader.kids() == ["key-ES256"]
    reader.wall.advance(STALE.total_seconds())
    assert reader.kids() is None


@pytest.mark.parametrize(
    "document", [b"no json", [], {}, {"keys": 3}, {"keys": []}, {"keys": [{"kty": "oct", "k": "x"}]}, {"keys": [{"kty": "RSA", "d": "x"}]}]
)
def test_what_holds_no_usable_key_gives_none(site: Site, document: Any) -> None:
    site.put("/keys", document)
    assert _Reader(site).kids() is None


def test_keys_that_cannot_be_used_do_not_hide_those_that_can(site: Site) -> None:
    good = public_jwks("ES256")["keys"]
    site.put("/keys", {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}, {"kty": "EC"}, 7, *good]})
    assert _Reader(site).kids() == ["key-ES256"]


def test_no_redirect_is_followed_and_no_private_address_is_reached(site: Site) -> None:
    site.put("/keys", public_jwks())
    site.put("/moved", b"/keys", status=302)
    assert _Reader(site, "/moved").kids() is None
    assert site.asked == ["/moved"]
    guarded = ClientKeys(Outbound(), Wall())
    assert asyncio.run(guarded.of(client("c", jwks_uri=f"{site.base}/keys"))).jwks is None
    assert site.asked == ["/moved"]


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "e30.e30.e30", "é.b.c", "x" * 100_000, "bnVsbA.b.c"])
def test_a_token_that_cannot_be_read_asks_for_nothing_new(site: Site, token: str) -> None:
    site.put("/keys", public_jwks())
    reader = _Reader(site)
    reader.kids()
    reader.wall.advance(60)
    assert reader.kids(token) == ["key-ES256"]
    assert len(site.asked) == 1
