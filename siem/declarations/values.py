"""Values of fields: read from a submitted form, checked, shown.

Stored shapes by type: text, long_text, email, phone, finess, siret, choice → str; instant → RFC 3339 in UTC (``…Z``); day →
``YYYY-MM-DD``; integer → int; boolean → bool; choices, lines → list of str; rows → list of dicts, one str per column.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final

from siem.declarations.fields import Value
from siem.declarations.form import Column, FormField
from siem.declarations.privacy import find_identifier
from siem.declarations.wording import PARIS, day_text, instant_text, number_text, problem
from vocabulary.identifiers import Finess, IdentifierError, Siret

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_LARGEST_INTEGER: Final = 999_999_999
_ROWS_AT_MOST: Final = 200
_LONGEST_ROW: Final = 1000
#: Lines that short are shown side by side.
_SHORT_LINE: Final = 16
_DEFAULT_LENGTH: Final[Mapping[str, int]] = {"text": 255, "long_text": 4000, "email": 254, "lines": 4000}


class Wrong(Exception):
    """A value is not what its field expects; the message is for the person, in their language."""


def read(field: FormField, raw: str | list[str], language: str) -> Value | None:
    """A submitted text as the field's value; None when it is empty. Raises Wrong."""
    if field.type == "choices":
        codes = [raw] if isinstance(raw, str) else raw
        chosen = list(dict.fromkeys(code.strip() for code in codes if code.strip()))
        value: Value | None = chosen or None
    elif isinstance(raw, list):
        if len(raw) > 1:
            raise Wrong(problem("one_value", language))
        value = _read_text(field, raw[0], language) if raw else None
    else:
        value = _read_text(field, raw, language)
    if value is not None:
        check(field, value, language)
    return value


def _read_text(field: FormField, raw: str, language: str) -> Value | None:
    text = raw.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        return None
    reader = _READERS.get(field.type)
    return text if reader is None else reader(field, text, language)


def _read_integer(_field: FormField, text: str, language: str) -> Value:
    digits = re.sub(r"[\s\u00a0\u202f]", "", text)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise Wrong(problem("integer", language))
    return int(digits)


def _read_boolean(_field: FormField, text: str, language: str) -> Value:
    answers = {"oui": True, "non": False}
    if text not in answers:
        raise Wrong(problem("boolean", language))
    return answers[text]


def read_instant(text: str, language: str) -> str:
    """``2026-11-22T03:14`` (Europe/Paris; the first pass of a repeated hour) or RFC 3339, as RFC 3339 in UTC. Raises Wrong."""
    try:
        at = datetime.fromisoformat(text)
        in_utc = (at if at.tzinfo else at.replace(tzinfo=PARIS)).astimezone(UTC)
        exists = at.tzinfo is not None or in_utc.astimezone(PARIS).replace(tzinfo=None) == at
    except (ValueError, OverflowError):  # near the ends of the calendar, no other zone's time can be told
        raise Wrong(problem("instant", language)) from None
    if not exists:
        raise Wrong(problem("no_such_time", language))
    return in_utc.isoformat(timespec="seconds").replace("+00:00", "Z")


def _read_day(_field: FormField, text: str, language: str) -> Value:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Wrong(problem("instant", language)) from None


def _read_lines(_field: FormField, text: str, _language: str) -> Value:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _read_rows(field: FormField, text: str, language: str) -> Value:
    rows: list[dict[str, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        # The last column takes what is left, so that a sentence may hold a stroke.
        cells = [cell.strip() for cell in line.split("|", len(field.columns) - 1)]
        if len(cells) != len(field.columns):
            names = " | ".join(column.key for column in field.columns)
            raise Wrong(problem("columns", language, line=number, count=len(field.columns), names=names))
        row = {}
        for column, cell in zip(field.columns, cells, strict=True):
            try:
                row[column.key] = read_instant(cell, language) if column.type == "instant" and cell else cell
            except Wrong as error:
                raise Wrong(problem("row", language, line=number, name=column.key, problem=error)) from None
        rows.append(row)
    return rows


_READERS: Final[Mapping[str, Callable[[FormField, str, str], Value]]] = {
    "integer": _read_integer,
    "boolean": _read_boolean,
    "instant": lambda _field, text, language: read_instant(text, language),
    "day": _read_day,
    "phone": lambda _field, text, _language: re.sub(r"[\s.\u00a0\u202f()-]", "", text),
    "finess": lambda _field, text, _language: re.sub(r"[\s.\u00a0\u202f]", "", text).upper(),
    "siret": lambda _field, text, _language: re.sub(r"[\s.\u00a0\u202f]", "", text),
    "lines": _read_lines,
    "rows": _read_rows,
}


def check(field: FormField, value: Value, language: str) -> None:
    """Whether a stored value is one of the field's. Raises Wrong with the first fault."""
    _CHECKS[field.type](field, value, language)


def _check_text(field: FormField, value: Value, language: str) -> None:
    if not isinstance(value, str):
        raise Wrong(problem("one_value", language))
    _check_string(value, field.max_length or _DEFAULT_LENGTH.get(field.type, 255), language, several_lines=field.type == "long_text")


def _check_string(text: str, limit: int, language: str, *, several_lines: bool = False) -> None:
    if len(text) > limit:
        raise Wrong(problem("too_long", language, count=len(text), limit=limit))
    if _CONTROL.search(text) or (not several_lines and "\n" in text):
        raise Wrong(problem("control", language))
    found = find_identifier(text)
    if found:
        raise Wrong(problem("patient", language, what=found))


def _check_integer(_field: FormField, value: Value, language: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_INTEGER:
        raise Wrong(problem("integer", language))


def _check_boolean(_field: FormField, value: Value, language: str) -> None:
    if not isinstance(value, bool):
        raise Wrong(problem("boolean", language))


def _check_choice(field: FormField, value: Value, language: str) -> None:
    if not isinstance(value, str) or field.option(value) is None:
        raise Wrong(problem("choice", language, value=_shown(value)))


def _check_choices(field: FormField, value: Value, language: str) -> None:
    if not isinstance(value, list):
        raise Wrong(problem("choice", language, value=_shown(value)))
    for code in value:
        if not isinstance(code, str) or field.option(code) is None:
            raise Wrong(problem("choice", language, value=_shown(code)))
    alone = [code for code in value if code in field.exclusive]
    option = field.option(str(alone[0])) if alone and len(value) > 1 else None
    if option:
        raise Wrong(problem("exclusive", language, value=option.text(language)))


def _shown(value: object) -> str:
    return str(value)[:60]


def _check_instant(_field: FormField, value: Value, language: str) -> None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Wrong(problem("instant", language))


def _check_day(field: FormField, value: Value, language: str) -> None:
    _read_day(field, value if isinstance(value, str) else "", language)


def _check_pattern(pattern: re.Pattern[str], code: str) -> Callable[[FormField, Value, str], None]:
    def check_it(_field: FormField, value: Value, language: str) -> None:
        if not isinstance(value, str) or len(value) > _DEFAULT_LENGTH["email"] or pattern.fullmatch(value) is None:
            raise Wrong(problem(code, language))

    return check_it


def _check_identifier(parse: Callable[[str], object], code: str) -> Callable[[FormField, Value, str], None]:
    def check_it(_field: FormField, value: Value, language: str) -> None:
        try:
            parse(value if isinstance(value, str) else "")
        except IdentifierError:
            raise Wrong(problem(code, language)) from None

    return check_it


def _check_lines(field: FormField, value: Value, language: str) -> None:
    if not isinstance(value, list) or len(value) > _ROWS_AT_MOST:
        raise Wrong(problem("too_long", language, count=len(value) if isinstance(value, list) else 1, limit=_ROWS_AT_MOST))
    for line in value:
        if not isinstance(line, str):
            raise Wrong(problem("one_value", language))
        _check_string(line, field.max_length or _DEFAULT_LENGTH["lines"], language)


def _check_rows(field: FormField, value: Value, language: str) -> None:
    if not isinstance(value, list) or len(value) > _ROWS_AT_MOST:
        raise Wrong(problem("too_long", language, count=len(value) if isinstance(value, list) else 1, limit=_ROWS_AT_MOST))
    names = {column.key for column in field.columns}
    for number, row in enumerate(value, 1):
        if not isinstance(row, dict) or set(row) != names:
            raise Wrong(problem("columns", language, line=number, count=len(names), names=" | ".join(sorted(names))))
        for column in field.columns:
            try:
                _check_cell(column, row[column.key], language)
            except Wrong as error:
                raise Wrong(problem("row", language, line=number, name=column.key, problem=error)) from None


def _check_cell(column: Column, cell: object, language: str) -> None:
    if not isinstance(cell, str) or (not cell and not column.optional):
        raise Wrong(problem("missing_strict", language))
    if not cell:
        return
    if column.type == "choice" and cell not in column.codes:
        raise Wrong(problem("choice", language, value=_shown(cell)))
    if column.type == "instant":
        read_instant(cell, language)
    _check_string(cell, _LONGEST_ROW, language)


_CHECKS: Final[Mapping[str, Callable[[FormField, Value, str], None]]] = {
    "text": _check_text,
    "long_text": _check_text,
    "integer": _check_integer,
    "boolean": _check_boolean,
    "choice": _check_choice,
    "choices": _check_choices,
    "instant": _check_instant,
    "day": _check_day,
    "email": _check_pattern(_EMAIL, "email"),
    "phone": _check_pattern(_PHONE, "phone"),
    "finess": _check_identifier(Finess.parse, "finess"),
    "siret": _check_identifier(Siret.parse, "siret"),
    "lines": _check_lines,
    "rows": _check_rows,
}


def input_text(field: FormField, value: Value | None) -> str | tuple[str, ...]:
    """The value as an input shows it, such that :func:`read` gives the value back."""
    if value is None:
        return () if field.type == "choices" else ""
    if isinstance(value, bool):
        return "oui" if value else "non"
    if field.type == "instant":
        local = datetime.fromisoformat(str(value)).astimezone(PARIS)
        # The second pass of a repeated hour has no name of its own on a wall clock: say it in full.
        return (
            local.isoformat(timespec="seconds") if local.fold else local.strftime("%Y-%m-%dT%H:%M:%S" if local.second else "%Y-%m-%dT%H:%M")
        )
    if isinstance(value, list):
        if field.type == "choices":
            return tuple(str(code) for code in value)
        return "\n".join(line if isinstance(line, str) else " | ".join(line[column.key] for column in field.columns) for line in value)
    return str(value)


def display(field: FormField, value: Value, language: str) -> str:
    """The value in words; several lines are parted by a newline."""
    if isinstance(value, bool):
        return {("en", True): "Yes", ("en", False): "No"}.get((language, value), "Oui" if value else "Non")
    if isinstance(value, int):
        return number_text(value, language)
    if isinstance(value, list):
        parts = [_row_text(field, item, language) if isinstance(item, dict) else _label(field, item, language) for item in value]
        short = field.type == "choices" or (field.type == "lines" and max(map(len, parts)) <= _SHORT_LINE)
        return (", " if short else "\n").join(parts)
    if field.type == "instant":
        return instant_text(datetime.fromisoformat(value), language)
    if field.type == "day":
        return day_text(date.fromisoformat(value), language)
    if field.type == "phone":
        return phone_text(value)
    return _label(field, value, language)


def phone_text(number: str) -> str:
    """A French number in pairs, ``+33 1 23 45 67 89``; any other as it is."""
    french_number = re.fullmatch(r"\+33([1-9])(\d\d)(\d\d)(\d\d)(\d\d)", number)
    return "\u00a0".join(("+33", *french_number.groups())) if french_number else number


def _label(field: FormField, code: str, language: str) -> str:
    option = field.option(code)
    return option.text(language) if option else code


def _row_text(field: FormField, row: Mapping[str, str], language: str) -> str:
    words = {"fait": ("fait", "done"), "prevu": ("prévu", "planned")}
    cells = []
    for column in field.columns:
        cell = row[column.key]
        if column.type == "instant" and cell:
            cell = instant_text(datetime.fromisoformat(cell), language)
        if cell in words and column.type == "choice":
            cell = words[cell][language == "en"]
        cells.append(cell)
    return " · ".join(cell for cell in cells if cell)
