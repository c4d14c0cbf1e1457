"""A field's value, and the field as a page shows it."""

from dataclasses import dataclass

#: A field's value as stored and exported: text, whole number, yes/no, several codes or lines, or rows of columns.
Value = str | int | bool | list[str] | list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a field: the code that is stored and the words that are shown."""

    code: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """One field as a page shows it, in one language.

    ``type``: text, long_text, integer, boolean, choice, choices, instant, day, email, phone, finess, siret, lines, rows.
    ``value`` is as stored; ``text`` the same for an input: an instant as ``2026-11-22T03:14`` in Europe/Paris, ``lines`` and
    ``rows`` one a line with columns parted by `` | ``, a boolean as ``oui`` / ``non``. ``display`` is for reading.
    ``origin`` is a code of :class:`~siem.declarations.model.Origin` or ``""``. ``suggestion`` is a value proposed, in words, with its
    code and its reason; it is never stored by itself. ``shared`` tells that another form of this dossier already asks for it.
    """

    key: str
    label: str
    help: str
    type: str
    options: tuple[Choice, ...]
    columns: tuple[str, ...]
    value: Value | None
    text: str | tuple[str, ...]
    display: str
    origin: str
    origin_label: str
    unknown: bool
    may_be_unknown: bool
    mandatory: bool
    missing: bool
    read_only: bool
    max_length: int | None
    shared: bool
    evidence: str
    suggestion: str | None
    suggestion_code: str | tuple[str, ...] | None
    suggestion_reason: str
    error: str
