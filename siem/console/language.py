"""The words of the screens, in French and in English, and the choice between them.

``messages/fr.yaml`` and ``messages/en.yaml`` hold the same keys; sentences have ``{placeholders}``. French text is written
with ordinary spaces and gets its non-breaking ones when it is loaded, so nobody has to type them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

DEFAULT: Final = "fr"
SUPPORTED: Final = ("fr", "en")

_FOLDER: Final = Path(__file__).parent / "messages"
_NARROW: Final = re.compile(r" ([;!?])")
_WIDE: Final = re.compile(r" ([:»%])|(«) ")


def french_spaces(text: str) -> str:
    """Non-breaking spaces before ``: ; ! ? »`` and after ``«`` (Imprimerie nationale: narrow before ``; ! ?``)."""
    text = _NARROW.sub("\u202f\\1", text)
    return _WIDE.sub(lambda match: "\u00a0" + match[1] if match[1] else match[2] + "\u00a0", text)


@dataclass(frozen=True, slots=True)
class Language:
    """One language: ``code`` for the ``lang`` attribute, ``messages`` from dotted key to sentence."""

    code: str
    messages: Mapping[str, str]

    def text(self, key: str, **values: object) -> str:
        """The sentence of ``key``; an unknown key is a mistake in our pages and raises KeyError."""
        sentence = self.messages[key]
        return sentence.format(**values) if values else sentence

    def has(self, key: str) -> bool:
        """Whether the sentence exists (labels of open vocabularies fall back on the value itself)."""
        return key in self.messages

    def label(self, prefix: str, value: object) -> str:
        """The label of a coded value, or the value itself where the vocabulary does not know it."""
        return self.messages.get(f"{prefix}.{value}", str(value))

    def count(self, key: str, quantity: int, **values: object) -> str:
        """``key_one`` or ``key_other``; zero is singular in French, plural in English."""
        singular = quantity in {0, 1} if self.code == "fr" else quantity == 1
        return self.text(f"{key}_one" if singular else f"{key}_other", n=self.number(quantity), **values)

    def number(self, number: int | float) -> str:
        """Thousands apart by a narrow space in French, a comma in English."""
        separator = "\u202f" if self.code == "fr" else ","
        return f"{number:,}".replace(",", separator)


def load(folder: Path = _FOLDER) -> dict[str, Language]:
    """Every supported language by code."""
    languages = {}
    for code in SUPPORTED:
        tree = yaml.safe_load((folder / f"{code}.yaml").read_text(encoding="utf-8"))
        messages = dict(_flat("", tree))
        if code == "fr":
            messages = {key: french_spaces(text) for key, text in messages.items()}
        languages[code] = Language(code, messages)
    return languages


def _flat(prefix: str, tree: Mapping[str, object]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            found += _flat(f"{prefix}{key}.", value)
        else:
            found.append((f"{prefix}{key}", str(value)))
    return found


def choose(preferred: str | None, accept_language: str | None) -> str:
    """The chosen language if there is one, else the first supported one of ``Accept-Language``, else French (RFC 9110 §12.5.4)."""
    if preferred in SUPPORTED:
        return preferred
    ranked: list[tuple[float, int, str]] = []
    for position, part in enumerate((accept_language or "").split(",")):
        tag, _, weight = part.strip().partition(";")
        quality = _quality(weight)
        code = tag.strip().lower().partition("-")[0]
        if code in SUPPORTED and quality > 0:
            ranked.append((-quality, position, code))
    return min(ranked)[2] if ranked else DEFAULT


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
