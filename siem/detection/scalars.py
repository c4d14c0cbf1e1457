"""Values of a rule that YAML 1.1 reads as something else than is written: ``0123`` is 83, ``12:30`` is 750, ``Yes`` is true.

They are read as every Sigma tool reads them; their author is told.
"""

import re
from collections.abc import Iterator
from typing import Final

import yaml

from siem.detection.documents import Document, node_of
from siem.detection.selections import RuleMistake

_PLAIN: Final = {
    "tag:yaml.org,2002:int": re.compile(r"0|-?[1-9][0-9]*"),
    "tag:yaml.org,2002:float": re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+"),
    "tag:yaml.org,2002:bool": re.compile(r"true|false"),
}


def misread(document: Document) -> Iterator[RuleMistake]:
    """The values under ``detection`` and ``filter`` that are not what they look like."""
    root = node_of(document)
    for key in ("detection", "filter"):
        for path, value in _scalars(root, (), key):
            plain = _PLAIN.get(value.tag)
            if plain is not None and not value.style and not plain.fullmatch(value.value):
                kind = value.tag.rpartition(":")[2]
                yield RuleMistake(f"«{value.value}» is read as a {kind}; write it between quotation marks, or as it is read", *path)


def _scalars(node: yaml.Node | None, path: tuple[str, ...], only: str = "") -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode]]:
    if isinstance(node, yaml.ScalarNode):
        yield path, node
    elif isinstance(node, yaml.SequenceNode):
        for place, one in enumerate(node.value):
            yield from _scalars(one, (*path, str(place)))
    elif isinstance(node, yaml.MappingNode):
        for key, one in node.value:
            if isinstance(key, yaml.ScalarNode) and only in ("", key.value):
                yield from _scalars(one, (*path, key.value))
