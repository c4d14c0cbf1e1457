"""What a person copies from a device into a browser (RFC 8628 §6.1): readable, without vowels, so that it spells no word."""

import hashlib
import hmac
import re
import secrets
from typing import Final

#: Twenty consonants that nobody takes for one another; eight of them are 34 bits.
ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH: Final = 8
_SHAPE: Final = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")


def new_user_code() -> str:
    """A code as it is shown: two halves with a dash."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return f"{letters[:4]}-{letters[4:]}"


def read_user_code(typed: str) -> str | None:
    """The letters that were meant, whatever case, dashes or spaces; None for what cannot be a code."""
    letters = re.sub(r"[\s\-–—.]", "", typed[:64]).upper()
    return letters if _SHAPE.fullmatch(letters) else None


def hash_user_code(pepper: bytes, typed: str) -> str | None:
    """What a code is found by, None for what cannot be one: a MAC, since 34 bits could be tried one by one against a plain hash."""
    letters = read_user_code(typed)
    return hmac.new(pepper, f"user-code\0{letters}".encode(), hashlib.sha256).hexdigest() if letters else None
