"""Sealing at rest: AES-256-GCM under a key-encryption key that lives in a file outside the store."""

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idp.errors import OperationError

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Seal:
    """Seals and opens small secrets. The name of a secret is authenticated with it, so that two cannot be exchanged."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"the seal key must be {_KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)

    @classmethod
    def from_file(cls, path: Path) -> "Seal":
        """Raises :class:`OperationError` when the file is absent, not a key, or readable by others."""
        try:
            key = base64.urlsafe_b64decode(path.read_text("ascii").strip() + "=")
            if path.stat().st_mode & 0o077:
                raise OperationError("reading the seal key (other users may read it: chmod 600)", str(path), retry_helps=False)
            return cls(key)
        except FileNotFoundError as error:
            raise OperationError("reading the seal key (run `idp init`, or set IDP_SEAL_KEY_FILE)", str(path), retry_helps=False) from error
        except (OSError, ValueError, binascii.Error) as error:
            raise OperationError(f"reading the seal key ({error})", str(path), retry_helps=False) from error

    @staticmethod
    def create_file(path: Path) -> None:
        """Write a new key, readable by its owner only; raises FileExistsError rather than replace one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w", encoding="ascii") as out:
            out.write(base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode().rstrip("=") + "\n")

    def close(self, name: str, secret: bytes) -> bytes:
        """Seal ``secret`` as ``name``: nonce followed by ciphertext and tag."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """Raises :class:`OperationError` when it was sealed by another key, under another name, or changed."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except InvalidTag as error:
            raise OperationError("opening a sealed key (wrong seal key, or changed data)", name, retry_helps=False) from error
