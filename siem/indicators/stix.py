"""STIX 2.1 bundles: indicators whose pattern is a simple comparison, or several of which one must hold.

``[ipv4-addr:value = '192.0.2.1']``, ``ISSUBSET``, ``IN``, and ``OR`` inside one observation. Whatever else a pattern says (``AND``,
``NOT``, ``FOLLOWEDBY``, qualifiers, other objects) refuses that indicator by its id, with the reason: half a pattern would match
what nobody warned of.

Source: OASIS STIX Version 2.1, «Indicator» and «STIX Patterning»; Traffic Light Protocol 2.0.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from siem.detection.indicators import Indicator, Kind
from siem.errors import DataError
from siem.indicators.reading import Read, canonical

#: A larger bundle is given as several files.
MAX_BYTES: Final = 256_000_000
_MAX_PATTERN: Final = 65_536
_PATHS: Final[Mapping[str, Kind]] = {
    "ipv4-addr:value": Kind.ADDRESS,
    "ipv6-addr:value": Kind.ADDRESS,
    "domain-name:value": Kind.DOMAIN,
    "url:value": Kind.URL,
    "file:hashes.md5": Kind.HASH,
    "file:hashes.sha-1": Kind.HASH,
    "file:hashes.sha1": Kind.HASH,
    "file:hashes.sha-256": Kind.HASH,
    "file:hashes.sha256": Kind.HASH,
    "file:hashes.sha-512": Kind.HASH,
    "file:hashes.sha512": Kind.HASH,
}
_TOKEN: Final = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|([A-Za-z0-9_.:'\"-]+)|([\[\](),]|!=|<=|>=|[=<>]))", re.DOTALL)
#: Markings of TLP, as STIX 2.1 and the protocol itself publish them.
_TLP: Final[Mapping[str, str]] = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "CLEAR",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "GREEN",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "AMBER",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "RED",
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "CLEAR",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "GREEN",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "AMBER",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "AMBER+STRICT",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "RED",
}
#: The narrowest sharing last: of several markings the strictest counts.
_STRICTNESS: Final = ("", "CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")


class PatternRefused(ValueError):
    """A pattern says more than a simple comparison; the text says what."""


def read_bundle(path: Path) -> Read:
    """Read a bundle. Raises DataError where the file is no bundle at all."""
    objects = _objects(path)
    said = _Said(
        {str(one.get("id")): str(one.get("name", "")) for one in objects if one.get("type") == "identity"},
        {str(one.get("id")): text for one in objects if one.get("type") == "marking-definition" and (text := _statement(one))},
    )
    read = Read()
    for one in _latest([one for one in objects if one.get("type") == "indicator"], read.versions):
        object_id = str(one.get("id", "an indicator without id"))
        if one.get("revoked") is True:
            read.withdrawn.add(object_id)
            continue
        try:
            read.indicators.extend(_indicators(one, said))
        except ValueError as error:
            read.refused.append(DataError(str(path), 0, object_id, str(error)))
    return read


@dataclass(frozen=True, slots=True)
class _Said:
    """What a bundle says beside its indicators: names of identities, and statements of terms of use, by id."""

    names: Mapping[str, str]
    statements: Mapping[str, str]


def _statement(one: Mapping[str, object]) -> str:
    """The terms of use that a marking states."""
    definition = one.get("definition")
    said = definition.get("statement") if one.get("definition_type") == "statement" and isinstance(definition, dict) else None
    return said if isinstance(said, str) else ""


def _latest(found: Sequence[Mapping[str, object]], versions: dict[str, datetime]) -> list[Mapping[str, object]]:
    """Of several versions of one object the one modified last, noted in ``versions``; those that do not say when are kept as they are."""
    kept: dict[object, Mapping[str, object]] = {}
    for place, one in enumerate(found):
        id_ = one.get("id")
        try:
            modified_at = _instant(one, "modified")
        except ValueError:
            modified_at = None
        if not isinstance(id_, str) or modified_at is None:
            kept[place] = one
        elif id_ not in versions or modified_at >= versions[id_]:
            versions[id_] = modified_at
            kept[id_] = one
    return list(kept.values())


def _objects(path: Path) -> list[dict[str, object]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(str(path), 0, "", f"the bundle is larger than {MAX_BYTES} bytes: give it as several files")
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise DataError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise DataError(str(path), error.lineno, "", f"not JSON: {error.msg}") from error
    objects = document.get("objects") if isinstance(document, dict) and document.get("type") == "bundle" else None
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise DataError(str(path), 1, "objects", "a STIX bundle with a list of objects is expected")
    return objects


def _indicators(one: Mapping[str, object], said: _Said) -> Iterator[Indicator]:
    if one.get("pattern_type") != "stix":
        raise ValueError(f"pattern_type: only stix is read, not {one.get('pattern_type')!r}")
    begins = _instant(one, "valid_from")
    if begins is None:
        raise ValueError("valid_from: missing; an indicator of STIX 2.1 says from when it holds")
    ends = _instant(one, "valid_until")
    if ends is not None and ends <= begins:
        raise ValueError("valid_until: not after valid_from")
    confidence = one.get("confidence")
    if confidence is not None and (isinstance(confidence, bool) or not isinstance(confidence, int) or not 0 <= confidence <= 100):
        raise ValueError("confidence: a whole number from 0 to 100 is expected")
    about = Indicator(
        Kind.ADDRESS,
        "",
        id=str(one.get("id", ""))[:200],
        name=str(one.get("name", ""))[:200],
        source=said.names.get(str(one.get("created_by_ref")), "")[:200],
        licence=_licence(one.get("object_marking_refs"), said.statements),
        tlp=_tlp(one.get("object_marking_refs")),
        confidence=confidence,
        valid_from=begins,
        valid_until=ends,
    )
    for kind, text in comparisons(one.get("pattern")):
        yield replace(about, kind=kind, value=canonical(kind, text))


def _instant(one: Mapping[str, object], key: str) -> datetime | None:
    value = one.get(key)
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value))
        in_utc = found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{key}: an instant in RFC 3339 is expected, not {str(value)[:40]!r}") from error
    if found.tzinfo is None:
        raise ValueError(f"{key}: the instant has no zone")
    return in_utc


def _tlp(references: object) -> str:
    found = [_TLP.get(str(one), "") for one in references] if isinstance(references, list) else []
    return max(found, key=_STRICTNESS.index, default="")


def _licence(references: object, statements: Mapping[str, str]) -> str:
    found = [statements[str(one)] for one in references if str(one) in statements] if isinstance(references, list) else []
    return "; ".join(dict.fromkeys(found))[:200]


def comparisons(pattern: object) -> list[tuple[Kind, str]]:
    """The (kind, value) of which one must hold. Raises PatternRefused."""
    if not isinstance(pattern, str) or len(pattern) > _MAX_PATTERN:
        raise PatternRefused("pattern: a text is expected")
    tokens = _tokens(pattern)
    if next(tokens) != "[":
        raise PatternRefused("pattern: one observation in brackets is expected")
    found: list[tuple[Kind, str]] = []
    while True:
        found.extend(_comparison(tokens))
        following = next(tokens)
        if following == "]":
            break
        if following.upper() != "OR":
            raise PatternRefused(f"pattern: «{following}» is not read; only comparisons joined by OR are")
    rest = next(tokens)
    if rest:
        raise PatternRefused(f"pattern: «{rest}» after the observation is not read")
    return found


def _tokens(pattern: str) -> Iterator[str]:
    """Words, texts (with their quotes) and signs; then empty texts without end."""
    place = 0
    text = pattern.rstrip()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise PatternRefused(f"pattern: «{text[place : place + 20]}» is not understood")
        place = token.end()
        yield token[1] or token[2] or token[3]
    while True:
        yield ""


def _comparison(tokens: Iterator[str]) -> Iterator[tuple[Kind, str]]:
    path = next(tokens)
    kind = _PATHS.get(path.replace("'", "").replace('"', "").lower())
    if kind is None:
        raise PatternRefused(f"pattern: «{path[:60]}» is not among what is compared ({', '.join(sorted(_PATHS))})")
    operator = next(tokens).upper()
    if operator == "=" or (operator == "ISSUBSET" and kind is Kind.ADDRESS):
        yield kind, _text(next(tokens))
    elif operator == "IN":
        if next(tokens) != "(":
            raise PatternRefused("pattern: a list in parentheses is expected after IN")
        sign = ","
        while sign == ",":
            yield kind, _text(next(tokens))
            sign = next(tokens)
        if sign != ")":
            raise PatternRefused("pattern: the list after IN has no end")
    else:
        raise PatternRefused(f"pattern: the comparison «{operator[:20]}» is not read")


def _text(token: str) -> str:
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise PatternRefused(f"pattern: a text in quotes is expected, not «{token[:40]}»")
    return re.sub(r"\\(.)", r"\1", token[1:-1])
