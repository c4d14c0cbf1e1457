"""What is allowed though sets list it: ``allow.yml`` beside the sets, a list that people may edit.

.. code-block:: yaml

    - value: 198.51.100.0/24          # an address, a network, a domain with all under it, a URL or a hash, as it looks
      owner: network team
      reason: exit addresses of our partner's scanner
      expires: 2027-01-31             # the last day whose events it allows, in UTC

An entry that cannot be honoured allows nothing and is named; the others hold.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import yaml

from siem.detection.indicators import Allowed, Kind
from siem.errors import DataError
from siem.indicators.book import key_of, keys_under
from siem.indicators.lists import recognised
from siem.yaml_text import read_node

FILE: Final = "allow.yml"
_KEYS: Final = ("value", "owner", "reason", "expires")
_LONGEST_TEXT: Final = 500
_DAY: Final = timedelta(days=1)
#: An entry made by command lives no longer than this.
LONGEST_LIFE: Final = timedelta(days=366)


class AllowList:
    """Entries, found by the values that fall under them."""

    def __init__(self, entries: Iterable[Allowed] = ()) -> None:
        self.entries = tuple(entries)
        self._by_key = {(one.kind, key_of(one)): one for one in self.entries}
        networks = (key_of(one).split("/") for one in self.entries if one.kind is Kind.ADDRESS)
        self._prefixes = sorted({(int(version), int(length)) for version, length, _ in networks})

    def find(self, kind: Kind, text: str) -> Sequence[Allowed]:
        """Those that a field's value falls under; those that hold longest first."""
        keys = keys_under(kind, text, self._prefixes) if self.entries else ()
        found = [self._by_key[kind, key] for key in keys if (kind, key) in self._by_key]
        return sorted(found, key=lambda one: one.expires_at, reverse=True)


def read_allowed(path: Path) -> tuple[list[Allowed], list[DataError]]:
    """The entries of the file, and what of it cannot be honoured; nothing where there is no file."""
    try:
        node = read_node(path)
    except DataError as error:
        return [], [] if isinstance(error.__cause__, FileNotFoundError) else [error]
    if node is None:
        return [], []
    if not isinstance(node, yaml.SequenceNode):
        return [], [DataError(str(path), 1, "", "a list is expected, each with value, owner, reason and expires")]
    return _entries(path, node)


def _entries(path: Path, node: yaml.SequenceNode) -> tuple[list[Allowed], list[DataError]]:
    found: dict[tuple[Kind, str], Allowed] = {}
    wrong: list[DataError] = []
    for item in node.value:
        try:
            one = _entry(item)
            if (one.kind, one.value) in found:
                raise _Mistake("value", f"{one.value} is there already")
            found[one.kind, one.value] = one
        except _Mistake as mistake:
            wrong.append(DataError(str(path), item.start_mark.line + 1, mistake.field, mistake.problem))
    return list(found.values()), wrong


class _Mistake(Exception):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field
        self.problem = problem


def _entry(item: yaml.Node) -> Allowed:
    if not isinstance(item, yaml.MappingNode) or not all(isinstance(part, yaml.ScalarNode) for pair in item.value for part in pair):
        raise _Mistake("", "value, owner, reason and expires are expected, each a text")
    said = {str(key.value): str(value.value).strip() for key, value in item.value}
    unknown = sorted(said.keys() - set(_KEYS))
    if unknown:
        raise _Mistake(unknown[0], f"unknown key; there are {', '.join(_KEYS)}")
    for key in _KEYS:
        if not said.get(key):
            raise _Mistake(key, "missing: an entry says who answers for it, why, and until when")
    try:
        return entry(said["value"], said["owner"], said["reason"], date.fromisoformat(said["expires"]))
    except DataError as error:
        raise _Mistake(error.field, error.problem) from error
    except (ValueError, OverflowError) as error:
        raise _Mistake("expires", "a day such as 2027-01-31 is expected") from error


def entry(value: str, owner: str, reason: str, expires: date) -> Allowed:
    """An entry whose last day is ``expires``. Raises DataError naming the field."""
    found = recognised(value)
    if found is None:
        raise DataError("", 0, "value", f"«{value[:80]}» is no address, network, domain, URL or hash")
    for name, text in (("owner", owner), ("reason", reason)):
        if not text.strip() or not text.isprintable() or len(text) > _LONGEST_TEXT:
            raise DataError("", 0, name, f"a text on one line is expected, at most {_LONGEST_TEXT} characters")
    return Allowed(*found, owner.strip(), reason.strip(), datetime.combine(expires, time(), UTC) + _DAY)


def allow(folder: Path, one: Allowed, now: datetime) -> Allowed | None:
    """Add an entry, in the place of the one of its value, which is returned. Raises DataError: for a day that is past or more than a year
    away, and where the file holds something that is not understood, which writing would lose; OSError.
    """
    today = now.astimezone(UTC).date()
    if not today <= one.last_day <= today + LONGEST_LIFE:
        raise DataError("", 0, "expires", "a last day from today to a year from now is expected")
    with _changing(folder) as entries:
        before = entries.get((one.kind, one.value))
        entries[one.kind, one.value] = one
    return before


def disallow(folder: Path, value: str) -> Allowed:
    """Take an entry away; it is returned. Raises DataError where there is none, and as :func:`allow`."""
    found = recognised(value)
    with _changing(folder) as entries:
        if found is None or found not in entries:
            raise DataError(str(folder / FILE), 0, "value", f"«{value[:80]}» is not allowed by any entry of its own")
        return entries.pop(found)


@contextmanager
def _changing(folder: Path) -> Iterator[dict[tuple[Kind, str], Allowed]]:
    """The entries by value, to be changed by one at a time and written as a whole, in one step."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f".{FILE}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entries, wrong = read_allowed(folder / FILE)
        if wrong:
            raise wrong[0]
        by_value = {(one.kind, one.value): one for one in entries}
        yield by_value
        _write(folder / FILE, [_document(one) for one in by_value.values()])


def _document(one: Allowed) -> Mapping[str, str]:
    value = one.value
    if one.kind is Kind.ADDRESS and value.endswith(("/32", "/128")) and (":" in value) is value.endswith("/128"):
        value = value.rpartition("/")[0]
    return {"value": value, "owner": one.owner, "reason": one.reason, "expires": one.last_day.isoformat()}


def _write(path: Path, documents: Sequence[Mapping[str, str]]) -> None:
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        yaml.safe_dump([dict(one) for one in documents], file, sort_keys=False, allow_unicode=True, width=120)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
