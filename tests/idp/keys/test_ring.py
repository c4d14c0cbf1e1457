import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from idp.errors import OperationError
from idp.keys import KeyRing, Seal
from idp.keys.ring import PUBLICATION_LEAD, RETIREMENT
from idp.store.sqlite import SqliteStore
from tests.idp.wire import Wall


def _with_ring(folder: Path, work: Callable[[KeyRing, Wall, Callable[[], KeyRing]], Awaitable[None]]) -> None:
    async def run() -> None:
        if not (folder / "seal.key").exists():
            Seal.create_file(folder / "seal.key")
        store, wall = SqliteStore(folder / "s.sqlite"), Wall()

        def another() -> KeyRing:
            return KeyRing(store.keys, Seal.from_file(folder / "seal.key"), wall)

        await work(another(), wall, another)
        await store.close()

    asyncio.run(run())


def _kids(ring: KeyRing) -> set[str]:
    return {key["kid"] for key in json.loads(ring.jwks())["keys"]}


def test_what_is_missing_is_made_once(tmp_path: Path) -> None:
    async def work(ring: KeyRing, wall: Wall, another: Callable[[], KeyRing]) -> None:
        assert {key.alg for key in await ring.create_missing()} == {"RS256", "ES256"}
        assert await ring.create_missing() == []
        other = another()
        await other.load()
        assert _kids(other) == _kids(ring)
        assert other.pepper("a") == ring.pepper("a") != ring.pepper("b")

    _with_ring(tmp_path, work)


def test_a_new_key_is_published_before_it_signs_and_the_old_one_stays_after(tmp_path: Path) -> None:
    async def work(ring: KeyRing, wall: Wall, another: Callable[[], KeyRing]) -> None:
        await ring.create_missing()
        old = ring.signer("ES256").kid
        new = (await ring.rotate("ES256")).kid
        assert {old, new} <= _kids(ring)
        assert ring.signer("ES256").kid == old
        wall.at += PUBLICATION_LEAD
        assert ring.signer("ES256").kid == new
        assert old in _kids(ring)
        wall.at += RETIREMENT
        assert old not in _kids(ring)
        assert await ring.remove_retired() == [old]
        assert new in _kids(ring)

    _with_ring(tmp_path, work)


def test_a_stolen_key_is_published_no_more_and_another_signs_at_once(tmp_path: Path) -> None:
    async def work(ring: KeyRing, wall: Wall, another: Callable[[], KeyRing]) -> None:
        await ring.create_missing()
        server = another()
        await server.load()
        stolen = server.signer("ES256").kid
        made = await ring.withdraw(stolen)
        await server.load()
        assert server.signer("ES256").kid == made.kid != stolen
        assert stolen not in _kids(server)
        assert await ring.remove_retired() == [stolen]
        with pytest.raises(OperationError, match="no published key"):
            await ring.withdraw(stolen)

    _with_ring(tmp_path, work)


def test_the_key_that_would_have_come_next_signs_in_the_place_of_a_stolen_one(tmp_path: Path) -> None:
    async def work(ring: KeyRing, wall: Wall, another: Callable[[], KeyRing]) -> None:
        await ring.create_missing()
        stolen, following = ring.signer("RS256").kid, (await ring.rotate("RS256")).kid
        before = _kids(ring)
        assert (await ring.withdraw(stolen)).kid == following == ring.signer("RS256").kid
        assert _kids(ring) == before - {stolen, f"{stolen}.PS256"}

    _with_ring(tmp_path, work)


def test_withdrawing_the_next_or_the_last_key_leaves_the_one_that_signs(tmp_path: Path) -> None:
    async def work(ring: KeyRing, wall: Wall, another: Callable[[], KeyRing]) -> None:
        await ring.create_missing()
        signing, following = ring.signer("ES256").kid, (await ring.rotate("ES256")).kid
        made = await ring.withdraw(following)
        assert ring.signer("ES256").kid == made.kid
        assert following not in _kids(ring)
        wall.at += PUBLICATION_LEAD + RETIREMENT
        assert ring.signer("ES256").kid == made.kid
        assert signing not in _kids(ring)

    _with_ring(tmp_path, work)


def test_an_emergency_rotation_takes_effect_at_once_and_in_other_processes(tmp_path: Path) -> None:
    async def work(ring: KeyRing, wall: Wall, another: Callable[[], KeyRing]) -> None:
        await ring.create_missing()
        server = another()
        await server.load()
        new = await ring.rotate("RS256", lead=timedelta())
        await server.load()
        assert server.signer("RS256").kid == ring.signer("RS256").kid == new.kid

    _with_ring(tmp_path, work)


def test_private_keys_are_sealed_in_the_store(tmp_path: Path) -> None:
    async def work(ring: KeyRing, wall: Wall, another: Callable[[], KeyRing]) -> None:
        await ring.create_missing()

    _with_ring(tmp_path, work)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("s.sqlite*"))
    assert b"pkcs8" not in stored
    assert b"PRIVATE" not in stored


def test_without_keys_the_error_says_what_to_do(tmp_path: Path) -> None:
    async def work(ring: KeyRing, wall: Wall, another: Callable[[], KeyRing]) -> None:
        await ring.load()
        with pytest.raises(OperationError, match="idp init"):
            ring.signer("ES256")
        with pytest.raises(OperationError, match="idp init"):
            ring.pepper("a")

    _with_ring(tmp_path, work)


@pytest.mark.spec("RFC7518-3.5", "FAPI2SP-5.4.1")
def test_the_rsa_key_signs_with_pss_too_under_a_name_of_its_own_and_goes_with_both(tmp_path: Path) -> None:
    async def work(ring: KeyRing, wall: Wall, another: Callable[[], KeyRing]) -> None:
        await ring.create_missing()
        plain, salted = ring.signer("RS256"), ring.signer("PS256")
        assert plain.kid != salted.kid
        published = jwt.PyJWKSet.from_dict(json.loads(ring.jwks()))
        assert {key.key_id: key.algorithm_name for key in published.keys} == {
            plain.kid: "RS256",
            salted.kid: "PS256",
            ring.signer("ES256").kid: "ES256",
        }
        assert {key.kid for key in ring.keys} == {plain.kid, ring.signer("ES256").kid}, "it is one key to rotate and to withdraw"
        for key in (plain, salted):
            signature = await ring.sign(key, b"signed")
            verifies = [
                name for name in ("RS256", "PS256") if jwt.get_algorithm_by_name(name).verify(b"signed", published[key.kid].key, signature)
            ]
            assert verifies == [key.alg]
        successor = await ring.withdraw(salted.kid)
        assert not {plain.kid, salted.kid} & _kids(ring)
        assert ring.signer("RS256").kid == successor.kid
        assert ring.signer("PS256").kid.startswith(successor.kid)

    _with_ring(tmp_path, work)
