"""The folder of all sets: ``indicators/`` in the state of the watch, one file each, with the allow-list beside them (:mod:`.allow`).

A running watch follows what changes in it.
"""

import logging
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from siem.detection.indicators import Allowed, Indicator, Kind
from siem.errors import DataError
from siem.indicators.allow import FILE as ALLOW_FILE
from siem.indicators.allow import AllowList, read_allowed
from siem.indicators.book import About, BookFile, write_book

_log = logging.getLogger(__name__)
FOLDER: Final = "indicators"
_SUFFIX: Final = ".set"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

#: What tells a file from the one that was there before: its name, when it was written, its size and its place on the disk.
_Seen = tuple[tuple[str, int, int, int], ...]


def file_of(folder: Path, name: str) -> Path:
    """The file of a set. Raises DataError for a name that cannot be one."""
    if not _NAME.fullmatch(name):
        raise DataError("", 0, "name", f"a name of small letters, digits, - and _ is expected (at most 64), not «{name[:80]}»")
    return folder / f"{name}{_SUFFIX}"


def store(folder: Path, about: About, indicators: Iterable[Indicator]) -> About:
    """Put a set in the place of the one of the same name, in one step. Raises DataError, OSError.

    Each indicator keeps the revision of the one before that found the same up to now: those of the new revision are what is new.
    """
    path = file_of(folder, about.name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = _standing(path)
    if before is None:
        dated = replace(about, lineage=secrets.token_hex(8), revision=1)
    else:
        dated = replace(about, lineage=before.about.lineage, revision=before.about.revision + 1)
    return write_book(path, dated, (replace(one, revision=_revision(one, before, dated)) for one in indicators))


def _standing(path: Path) -> BookFile | None:
    """The set that is to be replaced; None where there is none, or none that is whole."""
    try:
        return BookFile(path)
    except (DataError, FileNotFoundError):
        return None


def _revision(one: Indicator, before: BookFile | None, about: About) -> int:
    known = (each.revision for each in before.said_of(one) if each.covers(one, about.loaded_at)) if before is not None else ()
    return min(known, default=about.revision)


def remove(folder: Path, name: str) -> None:
    """Take a set away. Raises DataError where there is none."""
    try:
        file_of(folder, name).unlink()
    except FileNotFoundError as error:
        raise DataError(str(folder), 0, "name", f"there is no set «{name}»") from error


class Sets:
    """All sets of a folder, looked up together: a :class:`siem.detection.indicators.Book`. ``quiet``: the log says nothing of them.

    Not for several threads at once.
    """

    def __init__(self, folder: Path, *, quiet: bool = False) -> None:
        self._folder = folder
        self._quiet = quiet
        self._seen: _Seen = ()
        self._open: dict[tuple[str, int, int, int], BookFile] = {}
        self.generation = 0
        #: Files that are no whole set, left out until they are loaded again, and entries of the allow-list that allow nothing.
        self.broken: tuple[DataError, ...] = ()
        #: What raises no alert though it is listed.
        self.allow_list = AllowList()

    @property
    def books(self) -> Sequence[BookFile]:
        """The sets that are there, by name."""
        return tuple(self._open.values())

    @property
    def is_empty(self) -> bool:
        """Whether there is no set."""
        return not self._open

    def book(self, name: str) -> BookFile | None:
        """The set of that name."""
        return next((one for one in self._open.values() if one.about.name == name), None)

    def refresh(self) -> bool:
        """Take up what was loaded or removed since the last call; whether anything was. Costs a look at the folder."""
        seen = self._look()
        if seen == self._seen:
            return False
        broken: list[DataError] = []
        opened: dict[tuple[str, int, int, int], BookFile] = {}
        entries, wrong = read_allowed(self._folder / ALLOW_FILE)
        for one in seen:
            if one[0] == ALLOW_FILE:
                continue
            try:
                opened[one] = self._open.get(one) or BookFile(self._folder / one[0])
            except DataError as error:
                broken.append(error)
            except OSError as error:
                broken.append(DataError(str(self._folder / one[0]), 0, "", f"cannot be read: {error.strerror}"))
        self._open, self._seen, self.broken = opened, seen, (*broken, *wrong)
        self.allow_list = AllowList(entries)
        self.generation += 1
        if not self._quiet:
            _log.info("indicators: %s", ", ".join(f"{one.about.name} ({one.about.count})" for one in self.books) or "none")
            for each in self.broken:
                _log.error("left out: %s", each)
        return True

    def _look(self) -> _Seen:
        try:
            files = sorted(path for path in self._folder.iterdir() if path.suffix == _SUFFIX or path.name == ALLOW_FILE)
            found = [(path.name, path.stat()) for path in files]
        except FileNotFoundError:
            return ()  # removed between the two looks, or never made: the next look sees it whole
        except OSError as error:
            _log.error("the sets of indicators cannot be looked at, those in use stand: %s", error)
            return self._seen
        return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in found)

    def find(self, kind: Kind, text: str) -> Sequence[Indicator]:
        """The indicators of a kind that a field's value falls under, in every set."""
        return [one for book in self._open.values() for one in book.find(kind, text)]

    def allowed(self, kind: Kind, text: str) -> Sequence[Allowed]:
        """What allows a field's value, though a set may list it."""
        return self.allow_list.find(kind, text)

    def listed(self, text: str) -> Iterator[Indicator]:
        """Everything that is said of a value, whatever it is."""
        for kind in Kind:
            yield from self.find(kind, text)


def of_watch(state: Path) -> Sets:
    """The sets of the watch with that state folder, for one thread."""
    return Sets(state / FOLDER)


class Since:
    """What came to one set after one revision and up to another: a :class:`siem.detection.indicators.Book`."""

    def __init__(self, sets: Sets, name: str, after: int, up_to: int) -> None:
        self._sets = sets
        self._name = name
        self._wanted = range(after + 1, up_to + 1)

    @property
    def generation(self) -> int:
        """That of all sets."""
        return self._sets.generation

    @property
    def is_empty(self) -> bool:
        """Whether the set is gone."""
        return self._sets.book(self._name) is None

    def refresh(self) -> bool:
        """Take up what was loaded or removed since the last call."""
        return self._sets.refresh()

    def find(self, kind: Kind, text: str) -> Sequence[Indicator]:
        """The indicators of a kind that a field's value falls under."""
        book = self._sets.book(self._name)
        return [one for one in book.find(kind, text) if one.revision in self._wanted] if book is not None else ()

    def allowed(self, kind: Kind, text: str) -> Sequence[Allowed]:
        """What allows a field's value."""
        return self._sets.allowed(kind, text)
