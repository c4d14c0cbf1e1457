"""Who a professional is by trade and where they practise, from an extract of the directory.

The file is CSV with a header: national_id,profession,finess. ``profession`` is TRE_G15 code + TRE_R09 category (``10C``). A
professional has a line per place of practice, ``finess`` may be empty. Without a line, the roles that the identity provider
writes give the profession.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from siem.errors import DataError
from siem.event import Fields

_COLUMNS: Final = ("national_id", "profession", "finess")


@dataclass(frozen=True, slots=True)
class Practice:
    """A professional's first profession, and the establishments where they practise."""

    profession: str
    finess: frozenset[str]


class Directory:
    """Adds profession and establishment to events that name a professional. Never fails an event."""

    def __init__(self, practices: Mapping[str, Practice] | None = None) -> None:
        self._practices = dict(practices or {})

    def enrich(self, fields: Fields) -> None:
        """Must come before the identifiers are made pseudonyms. What the event says itself is kept."""
        user = fields.get("user.id")
        practice = self._practices.get(user) if isinstance(user, str) else None
        if practice is not None:
            fields.setdefault("health.professional.profession", practice.profession)
            if len(practice.finess) == 1:  # of several places, nothing says which one the event is about
                fields.setdefault("health.structure.finess", *practice.finess)
            return
        roles = fields.get("user.roles")
        if isinstance(roles, list) and roles:
            fields.setdefault("health.professional.profession", roles[0])


def load_directory(path: Path) -> Directory:
    """Read the extract. Raises DataError naming the line and the column."""
    practices: dict[str, Practice] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise DataError(str(path), 1, "", f"the header {','.join(_COLUMNS)} expected")
            for row in reader:
                identifier, profession, finess = ((row[column] or "").strip() for column in _COLUMNS)
                for column, value in (("national_id", identifier), ("profession", profession)):
                    if not value:
                        raise DataError(str(path), reader.line_num, column, "missing")
                known = practices.get(identifier, Practice(profession, frozenset()))
                practices[identifier] = Practice(known.profession, known.finess | ({finess} if finess else frozenset()))
    except OSError as error:
        raise DataError(str(path), 0, "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(str(path), 0, "", "not UTF-8") from None
    return Directory(practices)
