"""A provider whose signing keys are on a real token (SoftHSM2): rotation, loss of the token, and the way there from sealed keys."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from idp.errors import OperationError
from idp.keys import KeyRing, Seal, SecurityModule, SigningKey
from idp.keys.ring import PUBLICATION_LEAD, RETIREMENT
from idp.keys.security_module import ModuleKey, Token
from idp.store.sqlite import SqliteStore
from tests.idp.keys.softhsm import LABEL, LIBRARY, PIN, SoftHsm, softhsm
from tests.idp.wire import CONNECT, ISSUER, START, Wall, Wire, client, running

pytestmark = pytest.mark.service("softhsm2-util")


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    return softhsm(tmp_path, monkeypatch)


def _impatient(wire: Wire) -> None:
    """Do as if the pause after a failure were over."""
    assert wire.provider.keys._module is not None
    wire.provider.keys._module.token._paused_until = 0.0


def _verified(wire: Wire, client_id: str) -> str:
    """A login whose ID token another implementation accepts by the published keys; its ``kid``."""
    token = wire.tokens(client_id)["id_token"]
    published = jwt.PyJWKSet.from_dict(wire.http.get(f"{CONNECT}/certs").json())
    header = jwt.get_unverified_header(token)
    options = {"verify_exp": False, "verify_iat": False}
    jwt.decode(token, published[header["kid"]].key, [header["alg"]], audience=client_id, issuer=ISSUER, options=options)
    kid: str = header["kid"]
    return kid


@pytest.mark.spec("RFC7638-3")
def test_tokens_are_signed_by_keys_that_are_on_the_token_alone(hsm: SoftHsm, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(tmp_path / "state", **hsm.settings) as wire:
        kids = {_verified(wire, "baseline"), _verified(wire, "psc")}
        wire.register(client("salted", id_token_signed_response_alg="PS256"))
        assert _verified(wire, "salted").removesuffix(".PS256") in kids, "the same key of the token, with another mechanism"
        keys = wire.provider.keys.keys
        assert {key.kid for key in keys} == kids
        assert all(isinstance(key.private_key, ModuleKey) for key in keys)
        for key in keys:
            document = json.loads(key.to_bytes())
            assert document.keys() == {"alg", "object_id", "public_jwk", "created_at", "active_at", "removed_at"}
            assert not {"d", "p", "q"} & document["public_jwk"].keys()
            kept = replace(key, removed_at=START)
            assert SigningKey.from_bytes(kept.to_bytes()) == kept
            with pytest.raises(TypeError):
                key.sign(b"x")
        assert wire.http.get("/health/ready").status_code == 200
    with running(tmp_path / "state", **hsm.settings) as wire:
        assert {_verified(wire, "baseline"), _verified(wire, "psc")} == kids, "the same after a restart"
    assert PIN not in caplog.text


def test_without_the_token_the_answer_is_try_again_and_it_recovers_by_itself(hsm: SoftHsm, tmp_path: Path) -> None:
    with running(tmp_path / "state", **hsm.settings) as wire:
        kid, token = _verified(wire, "baseline"), wire.tokens()["access_token"]
        code = wire.code()
        hsm.take_out()
        answer = wire.redeem(code)
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert answer.headers["retry-after"] and "token" not in answer.json()["error_description"]
        assert wire.http.get("/health/ready").status_code == 503
        assert wire.http.get("/health/live").status_code == 200
        assert wire.userinfo(token).status_code == 200, "what needs no signature goes on"
        hsm.put_back()
        _impatient(wire)
        assert _verified(wire, "baseline") == kid
        assert wire.http.get("/health/ready").status_code == 200


def _in_ring(folder: Path, wall: Wall, module: Callable[[], SecurityModule | None], work: Callable[[KeyRing], object]) -> object:
    """Do something with the keys of a folder, as a process of its own would."""

    async def run() -> object:
        store = SqliteStore(folder / "idp.sqlite")
        await store.migrate()
        ring = KeyRing(store.keys, Seal.from_file(folder / "seal.key"), wall, module())
        try:
            await ring.load()
            return await work(ring)  # type: ignore[misc]
        finally:
            ring.close()
            await store.close()

    return asyncio.run(run())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    Seal.create_file(tmp_path / "state" / "seal.key")
    return tmp_path / "state"


def test_a_rotation_publishes_first_overlaps_and_destroys_the_old_key_on_the_token(hsm: SoftHsm, folder: Path) -> None:
    wall = Wall()

    async def rotate(ring: KeyRing) -> None:
        await ring.create_missing()
        old = ring.signer("ES256")
        new = await ring.rotate("ES256")
        assert ring.signer("ES256").kid == old.kid
        assert {old.kid, new.kid} <= ring.published().keys()
        wall.advance(PUBLICATION_LEAD.total_seconds())
        assert ring.signer("ES256").kid == new.kid
        assert len(await ring.sign(new, b"x")) == 64
        assert old.kid in ring.published(), "what it signed is still used"
        wall.advance(RETIREMENT.total_seconds())
        assert await ring.remove_retired() == [old.kid]
        assert isinstance(old.private_key, ModuleKey)
        with pytest.raises(OperationError, match="not on the token"):
            await ring.sign(old, b"x")
        assert ring._module is not None
        assert len(await ring._module.run(lambda token: token.object_ids())) == 2

    _in_ring(folder, wall, lambda: SecurityModule(Token(LIBRARY, LABEL, hsm.pin_file)), rotate)


def test_sealed_keys_sign_until_they_are_rotated_onto_the_token(hsm: SoftHsm, folder: Path) -> None:
    wall = Wall()

    async def sealed(ring: KeyRing) -> str:
        await ring.create_missing()
        return ring.signer("ES256").kid

    async def moved(ring: KeyRing) -> tuple[str, str]:
        assert await ring.create_missing() == []
        before = ring.signer("ES256")
        assert not isinstance(before.private_key, ModuleKey)
        await ring.sign(before, b"x")
        after = await ring.rotate("ES256", lead=timedelta())
        wall.advance(1)
        assert ring.signer("ES256").kid == after.kid
        assert isinstance(after.private_key, ModuleKey)
        return before.kid, after.kid

    async def orphaned(ring: KeyRing) -> None:
        with pytest.raises(OperationError, match="IDP_PKCS11_MODULE"):
            await ring.sign(ring.signer("ES256"), b"x")
        with pytest.raises(OperationError, match="IDP_PKCS11_MODULE"):
            await ring.check()
        assert len(await ring.sign(ring.signer("RS256"), b"x")) == 256, "a key that is here still signs"

    kid = _in_ring(folder, wall, lambda: None, sealed)
    assert _in_ring(folder, wall, lambda: SecurityModule(Token(LIBRARY, LABEL, hsm.pin_file)), moved)[0] == kid  # type: ignore[index]
    _in_ring(folder, wall, lambda: None, orphaned)
