"""Rule files: from bytes to YAML documents that remember where they stand.

A file that cannot be read as rules is an error of its own; so is a key written twice, which YAML would let pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from siem.detection.folders import RuleFolder
from siem.detection.selections import RuleMistake
from siem.errors import DataError

#: A rule file larger than this is refused.
MAX_BYTES: Final = 1_000_000


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
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key «{key.value}» is written twice", key.start_mark)
                seen.add(key.value)
        found: dict[object, object] = super().construct_mapping(node, deep=deep)
        return found


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

    def line(self, path: Sequence[str]) -> int:
        """Line of the deepest part of ``path`` that is there. Read again only for an error, so that loading stays fast."""
        node: yaml.Node | None = None
        for position, candidate in enumerate(yaml.compose_all(self.text, Loader=yaml.CSafeLoader)):
            if position == self.index:
                node = candidate
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


def read_documents(path: Path, folder: RuleFolder) -> tuple[list[Document], list[DataError]]:
    """The documents of a file of the folder that are maps, and what is wrong with the others."""
    name = folder.file_name(path)
    data = path.read_bytes()
    if len(data) > MAX_BYTES:
        return [], [DataError(name, 0, "", f"the file is larger than {MAX_BYTES} bytes")]
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return [], [DataError(name, data.count(b"\n", 0, error.start) + 1, "", "the file is not UTF-8")]
    try:
        bodies = list(yaml.load_all(text, Loader=RuleYaml))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return [], [DataError(name, mark.line + 1 if mark else 0, "", f"not YAML: {error.problem or error.context}")]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return [], [DataError(name, 0, "", f"not YAML: {error}")]
    found: list[Document] = []
    errors: list[DataError] = []
    for index, body in enumerate(bodies):
        if isinstance(body, dict):
            found.append(Document(folder, name, text, index, body))
        elif body is not None:
            errors.append(DataError(name, 1, "", "a map with title, logsource and detection is expected"))
    if not found and not errors:
        errors.append(DataError(name, 1, "", "the file holds no rule"))
    return found, errors
