"""Reading a folder of playbooks: what is right is loaded, what is wrong is named by file, line and field, and stops no other."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from siem.errors import DataError
from siem.response.action import ActionKind
from siem.response.playbook import Playbook, parse
from siem.response.validate import problems_among, problems_of


@dataclass(frozen=True, slots=True)
class Library:
    """A folder's playbooks by id, and the errors of the files that were left out."""

    playbooks: Mapping[str, Playbook]
    errors: tuple[DataError, ...]


def load_playbooks(folder: Path, schema_file: Path, actions: Sequence[ActionKind]) -> Library:
    """Read every ``*.json`` of a folder, in order of name. ``actions`` are those that steps may name.

    Raises DataError only if the schema itself cannot be read.
    """
    validator = Draft202012Validator(_read(schema_file)[0])
    found: dict[str, Playbook] = {}
    errors: list[DataError] = []
    texts: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            playbook, text = _load_one(path, validator, actions)
        except ExceptionGroup as group:
            errors += [error for error in group.exceptions if isinstance(error, DataError)]
            continue
        texts[playbook.id] = text
        if playbook.id in found:
            errors.append(DataError(str(path), _line_of(text, ["id"]), "id", f"already the id of {found[playbook.id].path}"))
            continue
        found[playbook.id] = playbook
    # A playbook that calls a faulty one is faulty itself, and so is the one that calls it: until nothing more falls.
    while True:
        faults = [(playbook, *problem) for playbook in found.values() for problem in problems_among(playbook, found)]
        if not faults:
            return Library(found, tuple(errors))
        for playbook, place, problem in faults:
            found.pop(playbook.id, None)
            errors.append(DataError(playbook.path, _line_of(texts[playbook.id], place), ".".join(place), problem))


def _read(path: Path) -> tuple[Any, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(str(path), 0, "", f"is not UTF-8 (byte {error.start})") from error
    try:
        return json.loads(text, object_pairs_hook=_object_without_repeats), text
    except json.JSONDecodeError as error:
        raise DataError(str(path), error.lineno, "", f"is not JSON: {error.msg}") from error
    except RecursionError as error:
        raise DataError(str(path), 0, "", "is nested too deep") from error
    except _Repeated as error:
        raise DataError(str(path), _line_of(text, [error.name]), error.name, "is there twice in one object") from error
    except ValueError as error:  # a number of thousands of digits
        raise DataError(str(path), 0, "", f"is not JSON: {error}") from error


class _Repeated(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Repeated(name)
        found[name] = value
    return found


def _load_one(path: Path, validator: Draft202012Validator, actions: Sequence[ActionKind]) -> tuple[Playbook, str]:
    """One file. Raises an ExceptionGroup of DataErrors, one for each thing that is wrong."""
    try:
        source, text = _read(path)
    except DataError as error:
        raise ExceptionGroup(str(path), [error]) from None
    errors = [
        DataError(str(path), _line_of(text, place), ".".join(place), problem) for place, problem in _schema_problems(validator, source)
    ]
    if not errors:
        playbook = parse(source, str(path))
        errors = [
            DataError(str(path), _line_of(text, place), ".".join(place), problem) for place, problem in problems_of(playbook, actions)
        ]
        if not errors:
            return playbook, text
    raise ExceptionGroup(str(path), errors)


def _schema_problems(validator: Draft202012Validator, source: object) -> Iterator[tuple[list[str], str]]:
    for error in sorted(validator.iter_errors(source), key=lambda each: [str(part) for part in each.absolute_path]):
        deepest = _deepest(error)
        yield [str(part) for part in deepest.absolute_path], deepest.message[:300]


def _deepest(error: ValidationError) -> ValidationError:
    """What a person must mend, not the alternative it was met in."""
    return _deepest(found) if error.context and (found := best_match(error.context)) is not None else error


def _line_of(text: str, place: Sequence[str]) -> int:
    """The line (from 1) where a property stands; 0 when it is not in the text (a missing one). Follows the names one after the other."""
    at = 0
    for name in place:
        if name.isdigit():
            continue
        found = text.find(f'"{name}"', at)
        # A step's id is named by its predecessors too: its definition is where an object follows.
        while found >= 0 and "--" in name and not text[found + len(name) + 2 :].lstrip().removeprefix(":").lstrip().startswith("{"):
            found = text.find(f'"{name}"', found + 1)
        if found < 0:
            break
        at = found
    return text.count("\n", 0, at) + 1 if at else (1 if not place else 0)
