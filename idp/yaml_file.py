"""The files that an operator writes, in YAML: read within bounds, so that a broken one is a sentence and not a crash.

The library that builds documents follows brackets as deep as they go, and an alias that repeats aliases makes millions of values of a few
lines. Both are looked at before, and after, anything is built.
"""

from pathlib import Path
from typing import Any, Final

import yaml

#: A file larger than this is refused: fifty thousand people have room in it.
MAX_BYTES: Final = 32_000_000
#: Values nested deeper than this are refused; no file of ours needs more than a dozen.
MAX_DEPTH: Final = 60
#: Values that a file may hold once its aliases are followed.
MAX_VALUES: Final = 5_000_000


def read_yaml(path: Path) -> Any:
    """The one document of the file. Raises ValueError or OSError saying what is wrong; which file it is the caller says."""
    return parse_yaml(path.read_text("utf-8"))


def parse_yaml(text: str, *, aliases: bool = True) -> Any:
    """The one document of a text. ``aliases``: whether a value may be named and repeated. Raises ValueError."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} characters")
    try:
        _look_over(text, aliases=aliases)
        # The safe loader, in C: ten times faster.
        document = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error
    if _size(document, {}) > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES} values, aliases followed")
    return document


def _look_over(text: str, *, aliases: bool) -> None:
    """Follows the text event by event, in C: no depth hurts, and each character costs the same."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent) and not aliases:
            raise ValueError("aliases (*name) are not read: write the value again")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"nested deeper than {MAX_DEPTH} levels at line {event.start_mark.line + 1 if event.start_mark else 0}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _size(value: object, known: dict[int, int]) -> int:
    """Number of values, each counted as often as an alias repeats it."""
    if not isinstance(value, dict | list):
        return 1
    size = known.get(id(value))
    if size is None:
        known[id(value)] = MAX_VALUES  # an alias to what holds it has no end
        parts = value.values() if isinstance(value, dict) else value
        size = known[id(value)] = 1 + sum(_size(part, known) for part in parts)
    return size
