"""People of the watch and the roles granted to them here; a token never grants one.

``users.yaml`` is a list of ``{national_id, name, roles, finess}`` and is the whole truth: who is no longer in it loses
access at once, open sessions included.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, String, Table, Text, delete, insert, select, update

from siem.access import Principal, Role
from siem.console import sessions
from siem.errors import DataError
from siem.store.database import Database, metadata
from siem.yaml_text import read_yaml

USERS: Final = Table(
    "users",
    metadata,
    Column("subject", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("finess", Text, nullable=False),
    Column("tenant", String(64), nullable=False),
)

_KEYS: Final = frozenset({"national_id", "name", "roles", "finess", "tenant"})


@dataclass(frozen=True, slots=True)
class Applied:
    """What a file changed: how many people were added, changed, removed, or stayed as they were."""

    added: int
    changed: int
    removed: int
    unchanged: int


def find(connection: Connection, subject: str) -> Principal | None:
    """The person with this national identifier, if roles were granted here."""
    row = connection.execute(select(USERS).where(USERS.c.subject == subject)).one_or_none()
    return None if row is None else _principal(dict(row._mapping))


def everyone(connection: Connection, tenant: str) -> list[Principal]:
    """Who can be assigned work, by name."""
    rows = connection.execute(select(USERS).where(USERS.c.tenant == tenant).order_by(USERS.c.name))
    return [_principal(dict(row._mapping)) for row in rows]


def names(connection: Connection, tenant: str) -> dict[str, str]:
    """Display name by national identifier."""
    rows = connection.execute(select(USERS.c.subject, USERS.c.name).where(USERS.c.tenant == tenant))
    return {row.subject: row.name for row in rows}


def apply(database: Database, file: Path) -> Applied:
    """Make the granted roles exactly those of ``file``; raises the first DataError and changes nothing if one is found."""
    wanted = {person.subject: person for person in read(file)}
    with database.transaction() as connection:
        present = {row.subject: _principal(dict(row._mapping)) for row in connection.execute(select(USERS))}
        for subject in present.keys() - wanted.keys():
            connection.execute(delete(USERS).where(USERS.c.subject == subject))
            sessions.end_of(connection, subject)
        for subject in wanted.keys() - present.keys():
            connection.execute(insert(USERS).values(**_row(wanted[subject])))
        changed = [subject for subject in wanted.keys() & present.keys() if wanted[subject] != present[subject]]
        for subject in changed:
            connection.execute(update(USERS).where(USERS.c.subject == subject).values(**_row(wanted[subject])))
    added, removed = len(wanted.keys() - present.keys()), len(present.keys() - wanted.keys())
    return Applied(added, len(changed), removed, len(wanted) - added - len(changed))


def read(file: Path) -> list[Principal]:
    """The people of a users file. Raises DataError naming the file, the entry and the field."""
    entries, _ = read_yaml(file)
    if not isinstance(entries, list):
        raise DataError(str(file), 0, "", "expected a list of people")
    people = [_person(str(file), number, entry) for number, entry in enumerate(entries, start=1)]
    seen: set[str] = set()
    for number, person in enumerate(people, start=1):
        if person.subject in seen:
            raise DataError(str(file), 0, f"[{number}].national_id", f"{person.subject} is there twice")
        seen.add(person.subject)
    return people


def _person(path: str, number: int, entry: object) -> Principal:
    if not isinstance(entry, dict):
        raise DataError(path, 0, f"[{number}]", "expected national_id, name, roles and finess")
    for key in entry.keys() - _KEYS:
        raise DataError(path, 0, f"[{number}].{key}", f"unknown key; expected one of {', '.join(sorted(_KEYS))}")
    for key in ("national_id", "name"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise DataError(path, 0, f"[{number}].{key}", "expected a text in quotes")
    roles = _texts(path, f"[{number}].roles", entry.get("roles", []))
    known = {role.value for role in Role}
    for role in roles:
        if role not in known:
            raise DataError(path, 0, f"[{number}].roles", f"unknown role {role!r}; expected one of {', '.join(sorted(known))}")
    if not roles:
        raise DataError(path, 0, f"[{number}].roles", "expected at least one role")
    finess = _texts(path, f"[{number}].finess", entry.get("finess", []))
    tenant = str(entry.get("tenant", "default"))
    return Principal(entry["national_id"].strip(), entry["name"].strip(), frozenset(map(Role, roles)), frozenset(finess), tenant)


def _texts(path: str, field: str, value: object) -> list[str]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DataError(path, 0, field, "expected a list of texts (put numbers in quotes)")
    return value


def _principal(row: Mapping[str, str]) -> Principal:
    return Principal(
        row["subject"], row["name"], frozenset(map(Role, _split(row["roles"]))), frozenset(_split(row["finess"])), row["tenant"]
    )


def _row(person: Principal) -> dict[str, str]:
    return {
        "subject": person.subject,
        "name": person.name,
        "roles": _join(person.roles),
        "finess": _join(person.finess),
        "tenant": person.tenant,
    }


def _join(values: Iterable[str]) -> str:
    return " ".join(sorted(values))


def _split(text: str) -> list[str]:
    return text.split()
