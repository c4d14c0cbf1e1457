"""The dossier as a document: our JSON «dossier-declaration-ssi-sante» 1.0, its canonical bytes and hash, differences between versions.

Canonical: UTF-8, keys sorted, no space between tokens, no number that is not whole; the same content always gives the same bytes,
so the SHA-256 of a frozen version can be checked with ``sha256sum``. Unknown is said by ``champs_inconnus``, never by null.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from siem.declarations.fields import Value
from siem.declarations.form import Form, FormField
from siem.declarations.model import Content, Difference, Dossier, JournalEntry, Origin, Phase
from siem.declarations.values import display

FORMAT: Final = "dossier-declaration-ssi-sante"
FORMAT_VERSION: Final = "1.0"
TLP: Final = "AMBER+STRICT"
#: Blocks that stand in every document, empty or not.
_BLOCKS: Final = ("structure", "declarant", "incident", "impact", "origine", "accompagnement", "cloture")
_OTHERS: Final = "autres_declarations"


def build(form: Form, dossier: Dossier, phase: Phase, state: str, journal: Sequence[JournalEntry]) -> dict[str, Any]:
    """The document of one form: only that form's fields go out. Its ``numero_version`` is the version being worked on."""
    document: dict[str, Any] = {block: {} for block in _BLOCKS}
    others: list[dict[str, str]] = []
    keys = {entry.key for _, entry in form.fields()}
    for key in sorted(keys & dossier.content.values.keys()):
        value = dossier.content.values[key]
        if key.startswith(_OTHERS + "."):
            others.append({"regime": key.partition(".")[2], "mention": str(value)})
        else:
            _put(document, key, value)
    document |= {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "formulaire": {"id": form.form, "version": form.version},
        "id": dossier.id,
        "numero_version": dossier.version_number,
        "phase": phase.value,
        "etat": state,
        "tlp": TLP,
        "incident_numero": dossier.incident_number,
        "criteres": {key: dossier.criteria.get(key, "inconnu") for key in sorted(dossier.criteria)},
        _OTHERS: others,
        "journal": [journal_line(entry) for entry in journal],
        "champs_inconnus": sorted(keys & dossier.content.unknown),
    }
    return document


def _put(document: dict[str, Any], key: str, value: Value) -> None:
    *path, last = key.split(".")
    place = document
    for part in path:
        place = place.setdefault(part, {})
    place[last] = value


def journal_line(entry: JournalEntry) -> dict[str, str]:
    """One line of the journal as exported."""
    line = {"ts": rfc3339(entry.at), "acteur": entry.actor, "action": entry.action}
    return line | ({"empreinte": entry.sha256} if entry.sha256 else {})


def rfc3339(at: datetime) -> str:
    """An instant in UTC, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def canonical(document: Mapping[str, Any]) -> bytes:
    """The one byte string of a document. Raises ValueError on a float that is not a number; there is none in a document."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sha256(body: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def differences(fields: Mapping[str, FormField], old: Content, new: Content, language: str = "fr") -> tuple[Difference, ...]:
    """What differs between two contents, in the order of the forms. A field no form knows any more is shown by its key."""
    order = {key: place for place, key in enumerate(fields)}
    keys: Iterable[str] = {*old.values, *old.unknown, *new.values, *new.unknown}
    found = []
    for key in sorted(keys, key=lambda key: (order.get(key, len(order)), key)):
        before, after = _said(fields.get(key), key, old, language), _said(fields.get(key), key, new, language)
        if before != after:
            label = fields[key].label.text(language) if key in fields else key
            found.append(Difference(key=key, label=label, old=before, new=after))
    return tuple(found)


def _said(entry: FormField | None, key: str, content: Content, language: str) -> str | None:
    value = content.values.get(key)
    if value is not None:
        return display(entry, value, language) if entry else json.dumps(value, ensure_ascii=False)
    if key in content.unknown:
        return "unknown" if language == "en" else "inconnu"
    return None


def content_to_json(content: Content) -> str:
    """A content for the store."""
    data = {"values": content.values, "unknown": sorted(content.unknown), "origins": content.origins}
    return canonical(data).decode()


def content_from_json(text: str) -> Content:
    """A content from the store."""
    data = json.loads(text)
    origins = {key: Origin(value) for key, value in data["origins"].items()}
    return Content(values=data["values"], unknown=frozenset(data["unknown"]), origins=origins)
