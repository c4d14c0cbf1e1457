"""Keys of those who send to the watch: a file of their SHA-256, so that reading it gives nobody a key."""

import re
from collections.abc import Mapping
from pathlib import Path

import orjson

from siem.errors import DataError


def load_api_keys(path: Path | None) -> dict[str, str]:
    """The hash of each key by the name of who holds it. Raises DataError."""
    if path is None:
        return {}
    try:
        keys = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(str(path), 0, "", f"cannot be read as JSON: {error}") from error
    if not isinstance(keys, dict):
        raise DataError(str(path), 1, "", "an object from name to the SHA-256, in hex, of a key is expected")
    for name, digest in keys.items():
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
            raise DataError(str(path), 0, str(name), "the SHA-256 of a key is expected, as 64 hexadecimal digits")
    return keys


def key_of(source: str, api_keys: Mapping[str, str]) -> str:
    """The hash of a source's key. Raises DataError for a source without one."""
    if source not in api_keys:
        raise DataError("SIEM_API_KEYS_FILE", 0, source, "this source receives by HTTP and has no key: add one, or take http: true away")
    return api_keys[source]
