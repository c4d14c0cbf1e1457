"""Rule files: from bytes to YAML documents that remember where they stand.

A file that cannot be read as rules is an error of its own; so is a key written twice, which YAML would let pass, and whatever makes a
small file large or deep (a library that follows a hundred thousand brackets dies of it, with the watch).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import yaml

from siem.detection.folders import RuleFolder
from siem.detection.selections import RuleMistake
from siem.errors import DataError
from siem.yaml_text import MAX_BYTES, MAX_VALUES, refuse_depth, size_of


class RuleYaml(yaml.CSafeLoader):
    """Dates stay texts; a key written twice is an error, not a silent loss of the first."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: D102 - the library's method
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.tag == "tag:yaml.org,2002:merge":
                    raise yaml.constructor.ConstructorError(
                        None, None, "the merge key «<<» is not read; write the keys out", key.start_mark
                    )
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key «{key.value}» is written twice", key.start_mark)
                seen.add(key.value)
        found: dict[object, object] = super().construct_mapping(node, deep=deep)
        return found

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:  # noqa: D102 - the library's method
        # Nearly all of a rule is texts, which need none of the library's care for values that hold others.
        if node.tag == "tag:yaml.org,2002:str" and type(node) is yaml.ScalarNode:
            return node.value
        return super().construct_object(node, deep=deep)


#: The folder of a rule that was handed over rather than loaded.
NOWHERE: Final = RuleFolder(Path())


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a file of ``folder``. ``path`` is the file's name to people, ``index`` counts the documents of the file."""

    folder: RuleFolder
    path: str
    text: str
    index: int
    body: Mapping[str, object]

    def error(self, mistake: RuleMistake) -> DataError:
        """A mistake, with the file and the line it is on."""
        return DataError(self.path, self.line(mistake.path), ".".join(mistake.path), mistake.problem)

    def error_at(self, problem: str, *path: str) -> DataError:
        """What somebody else finds wrong with it, at a part of it (by default the whole)."""
        return self.error(RuleMistake(problem, *path))

    def line(self, path: Sequence[str]) -> int:
        """Line of the deepest part of ``path`` that is there. Read again only for an error, so that loading stays fast."""
        node: yaml.Node | None = node_of(self)
        line = node.start_mark.line + 1 if node is not None else 0
        for key in path:
            if isinstance(node, yaml.SequenceNode) and key.isdecimal() and int(key) < len(node.value):
                node = node.value[int(key)]
                line = node.start_mark.line + 1
                continue
            if not isinstance(node, yaml.MappingNode):
                break
            for name, value in node.value:
                if name.value == key:
                    line, node = name.start_mark.line + 1, value
                    break
            else:
                break
        return line


def node_of(document: Document) -> yaml.Node | None:
    """The document as it is written, with the places and styles of its values. Not to be changed: it is shared."""
    return _nodes(document.text)[document.index]


def read_documents(path: Path, folder: RuleFolder) -> tuple[list[Document], list[DataError]]:
    """The documents of a file of the folder that are maps, and what is wrong with the others."""
    name = folder.file_name(path)
    try:
        return parse_documents(_text(path, name), name, folder)
    except DataError as error:
        return [], [error]


def parse_documents(text: str, name: str, folder: RuleFolder = NOWHERE) -> tuple[list[Document], list[DataError]]:
    """The same for a text that is in no folder yet; ``name`` is what errors call it."""
    if len(text) > MAX_BYTES:
        return [], [DataError(name, 0, "", f"the text is larger than {MAX_BYTES} characters")]
    try:
        bodies = _bodies(text, name)
    except DataError as error:
        return [], [error]
    found: list[Document] = []
    errors: list[DataError] = []
    for index, body in enumerate(bodies):
        if isinstance(body, dict):
            document = Document(folder, name, text, index, body)
            if size_of(body) > MAX_VALUES:
                errors.append(DataError(name, document.line(()), "", f"the document holds more than {MAX_VALUES} values"))
            else:
                found.append(document)
        elif body is not None:
            errors.append(DataError(name, 1, "", "a map with title, logsource and detection is expected"))
    if not found and not errors:
        errors.append(DataError(name, 1, "", "the file holds no rule"))
    return found, errors


def _text(path: Path, name: str) -> str:
    """What a file says. Raises DataError, also for what is no file: a pipe would be waited for for ever."""
    try:
        if not path.is_file():
            raise DataError(name, 0, "", "it is not a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(name, 0, "", f"the file cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise DataError(name, 0, "", f"the file is larger than {MAX_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DataError(name, data.count(b"\n", 0, error.start) + 1, "", "the file is not UTF-8") from error


def _bodies(text: str, name: str) -> list[object]:
    """The documents of a text. Raises DataError."""
    try:
        refuse_depth(text)
        return list(yaml.load_all(text, Loader=RuleYaml))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DataError(name, mark.line + 1 if mark else 0, "", f"not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(name, 0, "", f"not YAML: {error}") from error


@lru_cache(maxsize=2)
def _nodes(text: str) -> tuple[yaml.Node, ...]:
    """The nodes of a file's documents: all errors of a file follow one another."""
    return tuple(yaml.compose_all(text, Loader=yaml.CSafeLoader))
