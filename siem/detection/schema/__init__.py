"""The form of rule documents as JSON Schema 2020-12, for ``siem rules check`` and for editors: ``rule``, ``correlation``, ``filter``.

Loading asks less: it refuses what cannot be honoured, the schemas what an author did not mean (a misspelt key, a date that is none).

Source: Sigma specification 2.1.0, in our words.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from siem.detection.selections import RuleMistake

KINDS: Final = ("rule", "correlation", "filter")
_LONGEST_MESSAGE: Final = 200


@cache
def schema(kind: str) -> dict[str, Any]:
    """The schema of a kind of document."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / f"{kind}.json").read_text(encoding="utf-8"))
    return found


@cache
def _validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(schema(kind))


def kind_of(body: Mapping[str, object]) -> str | None:
    """Which schema a document is held to; None for one that is not Sigma's (a baseline of ours)."""
    for kind in ("correlation", "filter"):
        if kind in body:
            return kind
    return "rule" if "detection" in body or "logsource" in body else None


def problems_of(body: Mapping[str, object]) -> Iterator[RuleMistake]:
    """What is not in the form of a document's kind, and keys that look like a known one misspelt."""
    kind = kind_of(body)
    if kind is None:
        return
    for error in sorted(_validator(kind).iter_errors(body), key=lambda one: [str(part) for part in one.absolute_path]):
        deepest = _deepest(error)
        # Places in a list are not names that lead to a line.
        yield RuleMistake(_said(deepest), *(part for part in deepest.absolute_path if isinstance(part, str)))
    known = list(schema(kind)["properties"])
    for key in map(str, body):
        if key not in known and (near := difflib.get_close_matches(key, known, 1, 0.8)):
            yield RuleMistake(f"unknown key «{key}»; is «{near[0]}» meant?", key)


def _deepest(error: ValidationError) -> ValidationError:
    """What a person must mend, not the alternative it was met in."""
    return _deepest(found) if error.context and (found := best_match(error.context)) is not None else error


def _said(error: ValidationError) -> str:
    message = error.message if len(error.message) <= _LONGEST_MESSAGE else f"{error.message[:_LONGEST_MESSAGE]} …"
    meant = error.schema.get("description") if isinstance(error.schema, Mapping) else None
    return f"not in the form of the schema: {message}" + (f" ({meant})" if meant else "")
