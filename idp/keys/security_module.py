"""Signing keys that never leave a token: PKCS #11, as hardware security modules and SoftHSM speak it.

The module makes the keys, keeps them and signs. The store keeps their names and public halves, and the life of each. One thread
talks to the module, one call at a time: C libraries may block for long, and none of it happens on the event loop.

A call that fails opens the module anew and is tried once more, so a token that was taken out and put back, or a module that was
restarted, needs no restart here. A PIN that was refused is not shown again: three times would lock the token.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from idp.errors import OperationError

if TYPE_CHECKING:  # the library is loaded when a module is configured, and only then
    import pkcs11

T = TypeVar("T")
ModuleAlgorithm = Literal["RS256", "PS256", "ES256"]

_RSA_BITS: Final = 2048
#: After a failure the module is left alone for this long, so that requests are refused at once instead of queueing up.
_PAUSE_SECONDS: Final = 1.0
#: Longest wait for the module.
_PATIENCE_SECONDS: Final = 10.0
_LABEL: Final = "veilleur"


@dataclass(frozen=True, slots=True)
class ModuleKey:
    """A private key on the token, by its CKA_ID."""

    object_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicNumbers:
    """The public half as the token tells it: of RSA ``n`` and ``e``, of P-256 ``x`` and ``y``; big-endian."""

    first: bytes
    second: bytes


class Token:
    """One token of one library, blocking. Each method raises :class:`OperationError`, saying whether trying again helps."""

    def __init__(self, library: Path, label: str, pin_file: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._library, self._label, self._pin_file = library, label, pin_file
        self._monotonic = monotonic
        self._session: pkcs11.Session | None = None
        self._keys: dict[bytes, pkcs11.PrivateKey] = {}
        self._refused_pin: bytes | None = None
        self._paused_until = 0.0

    @property
    def name(self) -> str:
        """For messages."""
        return f"token {self._label!r} of {self._library}"

    def generate(self, alg: ModuleAlgorithm) -> tuple[ModuleKey, PublicNumbers]:
        """A new key pair that can sign and do nothing else, and that cannot be taken out."""
        return self._attempt(f"making a {alg} key", lambda session: self._generate(session, alg))

    def sign(self, alg: ModuleAlgorithm, key: ModuleKey, data: bytes) -> bytes:
        """The JWS signature (RFC 7518 §3.3 to §3.5)."""
        return self._attempt(f"signing with {alg}", lambda session: self._sign(session, alg, key, data))

    def destroy(self, key: ModuleKey) -> None:
        """Both halves are gone afterwards, also when they were before."""
        self._attempt("destroying a key", lambda session: self._destroy(session, key))

    def object_ids(self) -> frozenset[bytes]:
        """CKA_ID of every private key of ours on the token."""
        return self._attempt("listing the keys", self._object_ids)

    def close(self) -> None:
        """Log out."""
        session, self._session = self._session, None
        self._keys.clear()
        if session is not None:
            from pkcs11.exceptions import PKCS11Error

            try:
                session.close()
            except PKCS11Error:
                return  # it had ended already

    def _attempt(self, what: str, work: "Callable[[pkcs11.Session], T]") -> T:
        from pkcs11.exceptions import NoSuchKey, PKCS11Error

        if self._monotonic() < self._paused_until:
            raise OperationError(f"{what} (the module failed a moment ago)", self.name, retry_helps=True)
        try:
            try:
                return work(self._session or self._open(again=False))
            except PKCS11Error:
                self._forget()
                return work(self._open(again=True))
        except NoSuchKey as error:
            raise OperationError(f"{what} (the key is not on the token)", self.name, retry_helps=False) from error
        except PKCS11Error as error:
            self._pause()
            raise OperationError(f"{what} ({type(error).__name__})", self.name, retry_helps=True) from error
        except OperationError:
            self._pause()
            raise

    def _pause(self) -> None:
        self._forget()
        self._paused_until = self._monotonic() + _PAUSE_SECONDS

    def _forget(self) -> None:
        """Sessions and handles of before are worth nothing."""
        self._session = None
        self._keys.clear()

    def _open(self, *, again: bool) -> "pkcs11.Session":
        import pkcs11
        from pkcs11.exceptions import PinIncorrect, PinInvalid, PinLenRange, PinLocked

        library = pkcs11.lib(str(self._library))
        if again:
            library.reinitialize()
        pin = _read_pin(self._pin_file)
        digest = hashlib.sha256(pin.encode()).digest()
        if digest == self._refused_pin:
            raise OperationError(f"logging in (the PIN in {self._pin_file} was refused: correct the file)", self.name, retry_helps=False)
        token = library.get_token(token_label=self._label)
        try:
            self._session = token.open(rw=True, user_pin=pin)
        except (PinIncorrect, PinInvalid, PinLenRange, PinLocked) as error:
            self._refused_pin = digest
            raise OperationError(f"logging in ({type(error).__name__}: see {self._pin_file})", self.name, retry_helps=False) from error
        return self._session

    def _generate(self, session: "pkcs11.Session", alg: ModuleAlgorithm) -> tuple[ModuleKey, PublicNumbers]:
        from pkcs11 import Attribute, KeyType
        from pkcs11.util.ec import encode_named_curve_parameters

        key = ModuleKey(secrets.token_bytes(16))
        may = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True, Attribute.SIGN: True}
        label = f"{_LABEL} {alg}"
        if alg == "ES256":
            curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
            parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
            template = {**may, Attribute.DERIVE: False}
            public, private = parameters.generate_keypair(key.object_id, label, store=True, private_template=template)
            point = bytes(public[Attribute.EC_POINT])[-64:]
            numbers = PublicNumbers(first=point[:32], second=point[32:])
        else:
            template = {**may, Attribute.DECRYPT: False, Attribute.UNWRAP: False}
            public, private = session.generate_keypair(
                KeyType.RSA, _RSA_BITS, id=key.object_id, label=label, store=True, private_template=template
            )
            numbers = PublicNumbers(first=bytes(public[Attribute.MODULUS]), second=bytes(public[Attribute.PUBLIC_EXPONENT]))
        if private[Attribute.EXTRACTABLE] or not private[Attribute.SENSITIVE]:
            self._destroy(session, key)
            raise OperationError("making a key that cannot be taken out (the module made another)", self.name, retry_helps=False)
        return key, numbers

    def _sign(self, session: "pkcs11.Session", alg: ModuleAlgorithm, key: ModuleKey, data: bytes) -> bytes:
        from pkcs11 import MGF, Mechanism

        private = self._key(session, key)
        if alg == "ES256":
            # Not every module hashes for ECDSA.
            return bytes(private.sign(hashlib.sha256(data).digest(), mechanism=Mechanism.ECDSA))
        if alg == "PS256":
            salted = (Mechanism.SHA256, MGF.SHA256, hashlib.sha256().digest_size)
            return bytes(private.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=salted))
        return bytes(private.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))

    def _key(self, session: "pkcs11.Session", key: ModuleKey) -> Any:
        from pkcs11 import Attribute, ObjectClass
        from pkcs11.exceptions import NoSuchKey

        if key.object_id not in self._keys:
            # Read to the end: a search that is left open outlives its session, and says so when it is collected.
            found: list[Any] = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key.object_id}))
            if not found:
                raise NoSuchKey
            self._keys[key.object_id] = found[0]
        return self._keys[key.object_id]

    def _destroy(self, session: "pkcs11.Session", key: ModuleKey) -> None:
        from pkcs11 import Attribute

        self._keys.pop(key.object_id, None)
        for found in list(session.get_objects({Attribute.ID: key.object_id})):
            found.destroy()

    def _object_ids(self, session: "pkcs11.Session") -> frozenset[bytes]:
        from pkcs11 import Attribute, ObjectClass

        found = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        ours: list[Any] = [key for key in found if str(key[Attribute.LABEL]).startswith(_LABEL)]
        return frozenset(bytes(key[Attribute.ID]) for key in ours)


class SecurityModule:
    """A :class:`Token` for coroutines: its one thread, with an end to every wait."""

    def __init__(self, token: Token) -> None:
        self.token = token
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="security-module")

    async def run(self, work: Callable[[Token], T]) -> T:
        """Raises :class:`OperationError` when the module fails, or does not answer in ten seconds."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work, self.token)
        except TimeoutError as error:
            raise OperationError("waiting for an answer", self.token.name, retry_helps=True) from error

    def close(self) -> None:
        """Log out, once what is running has ended."""
        self._thread.submit(self.token.close)
        self._thread.shutdown(wait=False)


def _read_pin(path: Path) -> str:
    """Read anew at every login, so that a corrected file counts at once; the PIN itself is in no message."""
    try:
        if path.stat().st_mode & 0o077:
            raise OperationError("reading the PIN of the token (other users may read it: chmod 600)", str(path), retry_helps=False)
        pin = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OperationError(f"reading the PIN of the token ({type(error).__name__})", str(path), retry_helps=False) from error
    if not pin:
        raise OperationError("reading the PIN of the token (the file is empty)", str(path), retry_helps=False)
    return pin


def signing_token(library: Path | None, label: str, pin_file: Path | None) -> Token | None:
    """The token of the settings, where there is one; nothing is opened yet."""
    return Token(library, label, pin_file) if library is not None and pin_file is not None else None
