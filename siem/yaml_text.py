"""YAML that somebody wrote or fetched: read within bounds, and refused by name and line.

The library that builds documents follows brackets as deep as they go, and dies of a hundred thousand of them, with the watch; an alias
that repeats aliases makes millions of values of a few lines. Both are looked at before, and after, anything is built.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from siem.errors import DataError

#: A text larger than this is refused.
MAX_BYTES: Final = 1_000_000
#: No character of UTF-8 takes more than four bytes.
_MOST_BYTES: Final = 4 * MAX_BYTES
#: Values nested deeper than this are refused; nothing of ours needs more than a dozen.
MAX_DEPTH: Final = 60
#: Values a document may hold once its aliases are followed.
MAX_VALUES: Final = 250_000
#: What may open a level at the begin of a line: indentation and the marks of lists and of keys.
_LINE_BEGIN: Final = re.compile(r"^[ ?-]+", re.MULTILINE)
#: The safe loader, in C: ten times faster.
_Loader: Final = yaml.CSafeLoader


def read_yaml(path: Path) -> tuple[Any, str]:
    """The one document of a file, and its text. Raises DataError naming the file, and the line where there is one."""
    text = _text_of(path)
    return parse_yaml(text, str(path)), text


def read_node(path: Path) -> yaml.Node | None:
    """The one document of a file as it is written, each value still a text: one that is no number or day spoils no other.

    Raises DataError as :func:`read_yaml` does.
    """
    with _bounded(text := _text_of(path), str(path)):
        return node_of(text)


def parse_yaml(text: str, name: str) -> Any:
    """The one document of a text; ``name`` is what errors call it. Raises DataError."""
    with _bounded(text, name):
        document = yaml.load(text, Loader=_Loader)
    if size_of(document) > MAX_VALUES:
        raise DataError(name, 1, "", f"the document holds more than {MAX_VALUES} values")
    return document


def _text_of(path: Path) -> str:
    """What a file says, of which no more is read than may be. Raises DataError, also for what is no file: a pipe would be waited for."""
    try:
        if path.exists() and not path.is_file():
            raise DataError(str(path), 0, "", "cannot be read: it is not a file")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise DataError(str(path), 0, "", f"larger than {MAX_BYTES} characters")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(str(path), 0, "", f"is not UTF-8 (byte {error.start})") from error


@contextmanager
def _bounded(text: str, name: str) -> Iterator[None]:
    """Whatever is wrong with a text is said under its name; one too large or too deep is not even begun."""
    if len(text) > MAX_BYTES:
        raise DataError(name, 0, "", f"larger than {MAX_BYTES} characters")
    try:
        refuse_depth(text)
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DataError(name, mark.line + 1 if mark else 0, "", f"not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise DataError(name, 0, "", f"not YAML: {error}") from error


def node_of(text: str) -> yaml.Node | None:
    """Where things stand in a text that :func:`parse_yaml` has read."""
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


def refuse_depth(text: str) -> None:
    """Raises ValueError for a text nested too deep. Events are followed one by one, and only where the text could be so."""
    possible = text.count("[") + text.count("{") + max(map(len, _LINE_BEGIN.findall(text)), default=0)
    if possible <= MAX_DEPTH:
        return
    depth = 0
    for event in _events(text):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise ValueError(f"nested deeper than {MAX_DEPTH} levels at line {line}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=_Loader)


def size_of(document: object) -> int:
    """Number of values, each counted as often as an alias repeats it."""
    return _size(document, {})


def _size(value: object, known: dict[int, int]) -> int:
    if not isinstance(value, dict | list):
        return 1
    size = known.get(id(value))
    if size is None:
        known[id(value)] = MAX_VALUES  # an alias to what holds it has no end
        parts = value.values() if isinstance(value, dict) else value
        size = known[id(value)] = 1 + sum(_size(part, known) for part in parts)
    return size
