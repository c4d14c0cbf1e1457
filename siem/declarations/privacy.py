"""No person in a declaration: find identifiers of patients and professionals in text, and take pseudonyms out of sentences."""

import re
from typing import Final

from vocabulary.identifiers import IdentifierError, Ins, InsOid, Rpps

_SEPARATORS: Final = r"[\s.\u00a0\u202f-]?"


def _matricule(more_digits: int) -> re.Pattern[str]:
    """A matricule of 13 characters and ``more_digits`` of key; spaces, dots and dashes between them are how people write it."""
    digits = rf"(?:{_SEPARATORS}[0-9])"
    shape = rf"[1-478]{digits}{{5}}{_SEPARATORS}[0-9AB]{digits}{{{6 + more_digits}}}"
    return re.compile(rf"(?<![0-9A-Z])(?=({shape})(?![0-9A-Z]))", re.IGNORECASE)


_WITH_KEY: Final = _matricule(2)
_WITHOUT_KEY: Final = _matricule(0)
_PROFESSIONAL: Final = re.compile(r"(?<![0-9A-Za-z])8?((?:10|99)[0-9]{9})(?![0-9A-Za-z])")
_PSEUDONYM: Final = re.compile(r"\b(PAT|P)-([A-Z2-7]{10})\b")
_WORDS: Final = {"PAT": "un patient", "P": "un professionnel"}


def find_identifier(text: str) -> str | None:
    """What kind of person's identifier the text seems to hold: ``INS``, ``NIR``, ``RPPS``, ``pseudonyme``, or None."""
    if any(_is_ins(_compact(match.group(1))) for match in _WITH_KEY.finditer(text)):
        return "INS"
    if any(_looks_like_nir(_compact(match.group(1))) for match in _WITHOUT_KEY.finditer(text)):
        return "NIR"
    for match in _PROFESSIONAL.finditer(text):
        if _is_rpps(match.group(1)):
            return "RPPS"
    return "pseudonyme" if _PSEUDONYM.search(text) else None


def without_pseudonyms(text: str) -> str:
    """The sentence with «un patient» and «un professionnel» in place of pseudonyms: a declaration needs no more."""
    text = _PSEUDONYM.sub(lambda match: _WORDS[match.group(1)], text)
    return re.sub(r"\bde (un (?:patient|professionnel))\b", r"d’\1", text)


def _compact(text: str) -> str:
    return re.sub(r"[\s.\u00a0\u202f-]", "", text).upper()


def _looks_like_nir(compact: str) -> bool:
    """Without its key only the shape can tell: sex 1 or 2, a month, a department."""
    return compact[0] in "12" and "01" <= compact[3:5] <= "12" and compact[5:7] != "00"


def _is_ins(compact: str) -> bool:
    try:
        Ins.parse(compact, InsOid.NIR)
    except IdentifierError:
        return False
    return True


def _is_rpps(digits: str) -> bool:
    try:
        Rpps.parse(digits)
    except IdentifierError:
        return False
    return True
