"""A nested document as flat fields with dotted names, bounded in depth, number and size; what is left out is said.

Objects in a list are taken together, as Elasticsearch does: ``[{"a": 1}, {"a": 2}]`` under ``x`` is ``x.a`` with two values.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from siem.event import Fields, Value, text_of

MAX_DEPTH: Final = 20
MAX_FIELDS: Final = 1000
#: Characters of a value, elements of a list, characters of a name.
MAX_TEXT: Final = 65_536
MAX_ELEMENTS: Final = 1000
MAX_NAME: Final = 200
_PLAIN: Final = frozenset({int, float, bool})
_CONTROLS: Final = dict.fromkeys([*range(32), 127], "_")


@dataclass(slots=True)
class _Flat:
    """Fields found so far, and how much was left out, by what it was."""

    fields: Fields = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, what: str) -> None:
        self.left_out[what] = self.left_out.get(what, 0) + 1

    def add(self, name: str, value: Value) -> None:
        """A value; a name met before gets a list of both."""
        if len(name) > MAX_NAME:
            self.leave_out(f"fields whose name is longer than {MAX_NAME} characters")
            return
        name = name if name.isprintable() else name.translate(_CONTROLS)
        before = self.fields.get(name)
        if before is None:
            if len(self.fields) >= MAX_FIELDS:
                self.leave_out(f"fields beyond the first {MAX_FIELDS}")
            else:
                self.fields[name] = value
            return
        both = [*_listed(before), *_listed(value)]
        if len(both) > MAX_ELEMENTS:
            self.leave_out(f"lists cut at {MAX_ELEMENTS} values")
        self.fields[name] = both[:MAX_ELEMENTS]

    def text(self, text: str) -> str:
        """A text, cut where it is too long."""
        if len(text) <= MAX_TEXT:
            return text
        self.leave_out(f"values cut at {MAX_TEXT} characters")
        return text[:MAX_TEXT]


def flattened(document: Mapping[str, object]) -> tuple[Fields, str]:
    """The fields of a document, and a sentence that says what was left out of it (empty where nothing was). Nulls are no values."""
    flat = _Flat()
    fields = flat.fields
    for name, value in document.items():
        kind = type(value)
        # Most documents are flat already: their plain values need no further look.
        if (
            len(fields) < MAX_FIELDS
            and ((kind is str and len(value) <= MAX_TEXT) or kind in _PLAIN)  # type: ignore[arg-type]
            and len(name) <= MAX_NAME
            and name not in fields
            and name.isprintable()
        ):
            fields[name] = value  # type: ignore[assignment]
        else:
            _add(flat, name, value, 1)
    return fields, ", ".join(f"{what}: {count}" for what, count in flat.left_out.items())


def _add(flat: _Flat, name: str, value: object, depth: int) -> None:
    if type(value) is str:
        flat.add(name, flat.text(value))
    elif value is None or value == {} or value == []:
        return
    elif isinstance(value, dict):
        if depth >= MAX_DEPTH:
            # Not lost: what is deeper stays as one text.
            flat.leave_out(f"parts deeper than {MAX_DEPTH} levels, kept as text")
            flat.add(name, flat.text(_as_text(value)))
            return
        for key, inner in value.items():
            _add(flat, f"{name}.{key}", inner, depth + 1)
    elif isinstance(value, list):
        _add_list(flat, name, value, depth)
    elif isinstance(value, int | float):
        flat.add(name, value)


def _add_list(flat: _Flat, name: str, values: Sequence[object], depth: int) -> None:
    plain = [flat.text(text_of(one)) for one in values if one is not None and not isinstance(one, dict | list)]
    if len(plain) > MAX_ELEMENTS:
        flat.leave_out(f"lists cut at {MAX_ELEMENTS} values")
    if plain:
        flat.add(name, plain[:MAX_ELEMENTS])
    nested = [one for one in values if isinstance(one, dict | list)]
    if nested and depth >= MAX_DEPTH:
        flat.leave_out(f"parts deeper than {MAX_DEPTH} levels, kept as text")
        flat.add(name, flat.text(_as_text(nested)))
        return
    for one in nested[:MAX_ELEMENTS]:
        _add(flat, name, one, depth + 1)
    if len(nested) > MAX_ELEMENTS:
        flat.leave_out(f"lists cut at {MAX_ELEMENTS} values")


def _as_text(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return "(nested too deeply to be written)"


def _listed(value: Value) -> list[str]:
    return value if isinstance(value, list) else [text_of(value)]


def marked(fields: Fields, left_out: str, repeated: str | None = None) -> Fields:
    """The fields, with a mark that says what was left out: nobody takes a part of an event for the whole.

    ``repeated`` is a name that the record has twice: only its last value is known.
    """
    if repeated is not None:
        left_out = ", ".join(filter(None, (left_out, f"all values but the last of {repeated[:MAX_NAME]}, which is written twice")))
    if left_out:
        flags = fields.get("log.flags")
        fields["log.flags"] = [*_listed(flags if flags is not None else []), "truncated"]
        fields["error.message"] = f"left out of the event: {left_out}"
    return fields


def unspaced(fields: Fields, beginning: str = "") -> None:
    """Take the spaces out of names that begin so: rules speak of ``ThreatName`` where Defender's log has ``Threat Name``.

    A name that is there already both ways keeps both.
    """
    if " " not in "\n".join(fields):
        return
    for name in [name for name in fields if " " in name and name.startswith(beginning)]:
        if (without := name.replace(" ", "")) not in fields:
            fields[without] = fields.pop(name)
