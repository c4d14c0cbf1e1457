"""The keys in use: which signs, which are published, and the secrets that pepper PINs and pairwise identifiers."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import orjson

from idp.errors import OperationError
from idp.keys.seal import Seal
from idp.keys.signing_key import ALGORITHMS, Algorithm, SigningKey
from idp.store import KeyStore

#: Between publication of a new key and its first signature: longer than relying parties keep a JWK set.
PUBLICATION_LEAD = timedelta(hours=24)
#: Between the last signature of an old key and its removal: longer than any token or logout hint it signed is used.
RETIREMENT = timedelta(hours=24)

#: Names under which the store keeps them, sealed.
PEPPER_NAME = "pepper"
SIGNING_PREFIX = "signing:"


class KeyRing:
    """Opened once from the store; :meth:`load` again takes up a rotation made by another process."""

    def __init__(self, store: KeyStore, seal: Seal, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._seal = seal
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}
        self._sealed: dict[str, bytes] = {}
        self._pepper = b""
        self._peppers: dict[str, bytes] = {}
        self._published: Mapping[str, SigningKey] = {}
        self._jwks: bytes = b""
        self._signers: dict[Algorithm, SigningKey] = {}
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
        made = [SigningKey.generate(alg, created_at=now, active_at=now) for alg in ALGORITHMS if alg not in present]
        for key in made:
            await self._save(key)
        await self.load()
        return made

    async def rotate(self, alg: Algorithm, *, lead: timedelta = PUBLICATION_LEAD) -> SigningKey:
        """Publish a new key that signs after ``lead``; the present one leaves the JWK set :data:`RETIREMENT` later."""
        await self.load()
        now = self._clock()
        successor = SigningKey.generate(alg, created_at=now, active_at=now + lead)
        await self._save(successor)
        for key in list(self._keys.values()):
            if key.alg == alg and key.removed_at is None:
                await self._save(_retired(key, now + lead + RETIREMENT))
        await self.load()
        return successor

    async def remove_retired(self) -> list[str]:
        """Destroy keys whose time is over; returns their ``kid``."""
        now = self._clock()
        gone = [(name, key.kid) for name, key in self._keys.items() if key.removed_at is not None and key.removed_at <= now]
        for name, _ in gone:
            await self._store.delete(name)
        await self.load()
        return [kid for _, kid in gone]

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
        self._published = {key.kid: key for key in self._keys.values() if key.removed_at is None or key.removed_at > now}
        published = self._published.values()
        # Of two that became active at one instant, the one stored later: sorting keeps the store's order.
        active = sorted((key for key in published if key.active_at <= now), key=lambda key: key.active_at)
        self._signers = {key.alg: key for key in active}
        self._jwks = orjson.dumps({"keys": [key.public_jwk for key in self.keys if key.kid in self._published]})
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


def _retired(key: SigningKey, removed_at: datetime) -> SigningKey:
    return SigningKey(
        kid=key.kid,
        alg=key.alg,
        private_key=key.private_key,
        public_jwk=key.public_jwk,
        created_at=key.created_at,
        active_at=key.active_at,
        removed_at=removed_at,
    )
