"""What this machine can do at most: raw signatures and raw JSON, the limits of the other rows."""

from collections.abc import Callable, Sequence

import orjson
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from bench.clock import rate_of

_MESSAGE = b"x" * 700  # about the header and claims of an access token
_BATCH = 50


def rs256(seconds: float, key: rsa.RSAPrivateKey) -> float:
    """RSA 2048 signatures with SHA-256, per CPU-second."""
    return rate_of(_times(_BATCH, lambda: key.sign(_MESSAGE, padding.PKCS1v15(), SHA256())), seconds=seconds)


def es256(seconds: float, key: ec.EllipticCurvePrivateKey) -> float:
    """P-256 signatures with SHA-256, per CPU-second."""
    return rate_of(_times(_BATCH, lambda: key.sign(_MESSAGE, ec.ECDSA(SHA256()))), seconds=seconds)


def json_floor(lines: Sequence[bytes], seconds: float) -> float:
    """Lines that orjson parses per CPU-second: no reader of JSON does more."""

    def parse() -> int:
        for line in lines:
            orjson.loads(line)
        return len(lines)

    return rate_of(parse, seconds=seconds)


def _times(count: int, work: Callable[[], object]) -> Callable[[], int]:
    def repeat() -> int:
        for _ in range(count):
            work()
        return count

    return repeat
