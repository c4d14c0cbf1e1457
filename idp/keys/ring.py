"""The keys in use: which signs, which are published, and the secrets that pepper PINs and pairwise identifiers."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from operator import methodcaller

import orjson

from idp.errors import OperationError
from idp.keys.seal import Seal
from idp.keys.security_module import ModuleKey, SecurityModule
from idp.keys.signing_key import ALGORITHMS, Algorithm, SignatureAlgorithm, SigningKey, key_of
from idp.store import KeyStore

#: Between publication of a new key and its first signature: longer than relying parties keep a JWK set.
PUBLICATION_LEAD = timedelta(hours=24)
#: Between the last signature of an old key and its removal: longer than any token or logout hint it signed is used.
RETIREMENT = timedelta(hours=24)

#: Names under which the store keeps them, sealed.
PEPPER_NAME = "pepper"
SIGNING_PREFIX = "signing:"


class KeyRing:
    """Opened once from the store; :meth:`load` again takes up a rotation made by another process.

    With a security module new keys are made there; those that were made here before stay in use until they are rotated.
    """

    def __init__(self, store: KeyStore, seal: Seal, clock: Callable[[], datetime], module: SecurityModule | None = None) -> None:
        self._store = store
        self._seal = seal
        self._module = module
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}
        self._sealed: dict[str, bytes] = {}
        self._pepper = b""
        self._peppers: dict[str, bytes] = {}
        self._published: Mapping[str, SigningKey] = {}
        self._jwks: bytes = b""
        self._signers: dict[SignatureAlgorithm, SigningKey] = {}
        self._fresh_until: datetime | None = None

    async def load(self) -> None:
        """Read what is new in the store; keys already parsed are kept."""
        stored = dict(await self._store.load())
        if stored == self._sealed:
            return
        keys: dict[str, SigningKey] = {}
        for name, sealed in stored.items():
            if name == PEPPER_NAME:
                self._pepper = self._seal.open(name, sealed)
                self._peppers.clear()
            elif self._sealed.get(name) == sealed:
                keys[name] = self._keys[name]
            else:
                keys[name] = SigningKey.from_bytes(self._seal.open(name, sealed))
        self._keys, self._sealed = keys, stored
        self._fresh_until = None

    async def create_missing(self) -> list[SigningKey]:
        """Make the pepper and one key per algorithm where there is none; returns the keys made."""
        await self.load()
        if not self._pepper:
            await self._store.save(PEPPER_NAME, self._seal.close(PEPPER_NAME, secrets.token_bytes(32)))
        now = self._clock()
        present = {key.alg for key in self._keys.values()}
        made = [await self._make(alg, created_at=now, active_at=now) for alg in ALGORITHMS if alg not in present]
        for key in made:
            await self._save(key)
        await self.load()
        return made

    async def rotate(self, alg: Algorithm, *, lead: timedelta = PUBLICATION_LEAD) -> SigningKey:
        """Publish a new key that signs after ``lead``; the present one leaves the JWK set :data:`RETIREMENT` later."""
        await self.load()
        now = self._clock()
        successor = await self._make(alg, created_at=now, active_at=now + lead)
        await self._save(successor)
        for key in list(self._keys.values()):
            if key.alg == alg and key.removed_at is None:
                await self._save(replace(key, removed_at=now + lead + RETIREMENT))
        await self.load()
        return successor

    async def withdraw(self, kid: str) -> SigningKey:
        """Publish a stolen key no more, from now on; what it signed is worth nothing here. Returns the key that signs in its place.

        Raises :class:`OperationError` for a key that is not published.
        """
        await self.load()
        now, kid = self._clock(), key_of(kid)
        stolen = next((key for key in self._keys.values() if key.kid == kid and key.kid in self.published()), None)
        if stolen is None:
            raise OperationError("withdrawing the key: no published key has this kid", f"key {kid}", retry_helps=False)
        others = [key for key in self._keys.values() if key.alg == stolen.alg and key.kid != kid and key.removed_at is None]
        # The one that signs already, else the one that would have come next, else a new one: it must be there before the other goes.
        successor = min(others, key=lambda key: key.active_at, default=None)
        if successor is None:
            successor = await self._make(next(alg for alg in ALGORITHMS if alg == stolen.alg), created_at=now, active_at=now)
        successor = replace(successor, active_at=min(successor.active_at, now))
        await self._save(successor)
        await self._save(replace(stolen, removed_at=now))
        await self.load()
        return successor

    async def remove_retired(self) -> list[str]:
        """Destroy keys whose time is over; returns their ``kid``."""
        now = self._clock()
        gone = [(name, key) for name, key in self._keys.items() if key.removed_at is not None and key.removed_at <= now]
        for name, key in gone:
            held = key.private_key
            if isinstance(held, ModuleKey):
                # First there: a kill in between leaves a name that is tried again, not a key that nobody knows of.
                await self._of(key).run(methodcaller("destroy", held))
            await self._store.delete(name)
        await self.load()
        return [key.kid for _, key in gone]

    async def sign(self, key: SigningKey, data: bytes) -> bytes:
        """The JWS signature; raises :class:`OperationError` when the security module that has the key cannot make it."""
        held = key.private_key
        if not isinstance(held, ModuleKey):
            return key.sign(data)
        return await self._of(key).run(lambda token: token.sign(key.alg, held, data))

    async def check(self) -> None:
        """Raises :class:`OperationError` unless a key signs for every algorithm, and is within reach."""
        for alg in ALGORITHMS:
            key = self.signer(alg)
            if isinstance(key.private_key, ModuleKey):
                await self.sign(key, b"")

    def close(self) -> None:
        """Log out of the security module."""
        if self._module is not None:
            self._module.close()

    async def _make(self, alg: Algorithm, *, created_at: datetime, active_at: datetime) -> SigningKey:
        if self._module is None:
            return SigningKey.generate(alg, created_at=created_at, active_at=active_at)
        held, numbers = await self._module.run(lambda token: token.generate(alg))
        return SigningKey.of_module(alg, held, numbers, created_at=created_at, active_at=active_at)

    def _of(self, key: SigningKey) -> SecurityModule:
        if self._module is None:
            raise OperationError(
                "asking the security module that has this key (set IDP_PKCS11_MODULE)", f"key {key.kid}", retry_helps=False
            )
        return self._module

    async def _save(self, key: SigningKey) -> None:
        name = SIGNING_PREFIX + key.kid
        await self._store.save(name, self._seal.close(name, key.to_bytes()))

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """Every key held, oldest first."""
        return tuple(sorted(self._keys.values(), key=lambda key: (key.created_at, key.kid)))

    def signer(self, alg: str) -> SigningKey:
        """The key that signs now; raises :class:`OperationError` when there is none."""
        self._refresh()
        for known, key in self._signers.items():
            if known == alg:
                return key
        raise OperationError(f"finding a {alg} signing key (run `idp init`)", "key ring", retry_helps=False)

    def published(self) -> Mapping[str, SigningKey]:
        """Keys of the JWK set by ``kid``: signatures of these are ours."""
        self._refresh()
        return self._published

    def jwks(self) -> bytes:
        """The JWK set document (RFC 7517 §5), prebuilt until a key's life changes."""
        self._refresh()
        return self._jwks

    def _refresh(self) -> None:
        now = self._clock()
        if self._fresh_until is not None and now < self._fresh_until:
            return
        own = [key for key in self._keys.values() if key.removed_at is None or key.removed_at > now]
        published = own + [key for one in own if (key := one.with_pss())]
        self._published = {key.kid: key for key in published}
        # Of two that became active at one instant, the one stored later: sorting keeps the store's order.
        active = sorted((key for key in published if key.active_at <= now), key=lambda key: key.active_at)
        self._signers = {key.alg: key for key in active}
        self._jwks = orjson.dumps({"keys": [key.public_jwk for key in sorted(published, key=lambda key: (key.created_at, key.kid))]})
        changes = [at for key in published for at in (key.active_at, key.removed_at) if at is not None and at > now]
        self._fresh_until = min([*changes, now + timedelta(hours=1)])

    def pepper(self, purpose: str) -> bytes:
        """A secret of 32 bytes for one purpose, the same as long as the store lives."""
        known = self._peppers.get(purpose)
        if known is None:
            if not self._pepper:
                raise OperationError("finding the sealed pepper (run `idp init`)", "key ring", retry_helps=False)
            known = self._peppers[purpose] = hmac.digest(self._pepper, purpose.encode(), hashlib.sha256)
        return known
