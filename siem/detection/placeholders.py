"""Named lists for ``expand``: what ``%Administrators%`` stands for here.

They lie in the folder ``placeholders`` of a folder of rules, so that whatever loads the rules loads them: the watch, a replay, a check,
the proofs. A file is a map from names to lists::

    Administrators:
      - adm_*
      - root
    JumpServers: [192.0.2.10, 192.0.2.11]

A value is read as if it stood in the rule: wildcards and backslashes mean what they mean there. A list of a later folder replaces the
list of that name of an earlier one: the operator's own folder is the last.

Source: Sigma specification 2.1.0, «Placeholders».
"""

from collections.abc import Mapping, Sequence
from typing import Final

from siem.detection.documents import read_documents
from siem.detection.folders import RuleFolder
from siem.detection.predicates import text_of
from siem.detection.selections import RuleMistake
from siem.errors import DataError

#: The folder of lists, within a folder of rules.
FOLDER: Final = "placeholders"


def read_placeholders(folders: Sequence[RuleFolder]) -> tuple[dict[str, tuple[str, ...]], list[DataError]]:
    """The lists of the folders, and what is wrong with the others."""
    found: dict[str, tuple[str, ...]] = {}
    errors: list[DataError] = []
    for folder in folders:
        of_folder: dict[str, str] = {}
        for path in sorted((folder.path / FOLDER).rglob("*.yml")):
            documents, wrong = read_documents(path, folder)
            errors.extend(wrong)
            for document in documents:
                for name, values in document.body.items():
                    try:
                        _check_name(name, of_folder)
                        found[str(name)] = _values(str(name), values)
                    except RuleMistake as mistake:
                        errors.append(document.error(mistake))
                    else:
                        of_folder[str(name)] = document.path
    return found, errors


def _check_name(name: object, of_folder: Mapping[str, str]) -> None:
    if not isinstance(name, str) or not name or any(character in "%\\" or character.isspace() for character in name):
        raise RuleMistake("a name without spaces, % and \\ is expected", str(name))
    if name in of_folder:
        raise RuleMistake(f"the list «{name}» is already in {of_folder[name]}", name)


def _values(name: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise RuleMistake("a list of at least one value is expected", name)
    texts: list[str] = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
            raise RuleMistake(f"a text or a number is expected, found {value!r}", name)
        texts.append(text_of(value))
    return tuple(dict.fromkeys(texts))
