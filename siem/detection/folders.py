"""Folders of rules: the product's, the operator's own, and further ones, loaded together as one set.

Ids and names are unique over all of them. A file is named by its path within its folder, after the folder's name unless it is the
first: ``web/nginx_scan.yml``, ``local-rules/filters/backup.yml``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from siem.errors import DataError

#: Within the state of the watch: the operator's own rules and filters, which no update touches.
OWN: Final = "local-rules"
#: Within the state of the watch: the rule sets of others, each in versions (:mod:`.rule_sets` writes them).
RULE_SETS: Final = "rule-sets"


@dataclass(frozen=True, slots=True)
class RuleFolder:
    """A folder to load. ``name`` begins the names of its files (empty: nothing does); ``licence`` is that of rules that say none."""

    path: Path
    name: str = ""
    licence: str = ""
    #: Names of files that are not loaded.
    left_out: frozenset[str] = frozenset()

    def file_name(self, file: Path) -> str:
        """How a file of the folder is named in errors and to people."""
        within = file.relative_to(self.path).as_posix()
        return f"{self.name}/{within}" if self.name else within

    def leaves_out(self, file: Path) -> bool:
        """Whether a file of the folder is not to be loaded."""
        return self.file_name(file) in self.left_out


def watch_folders(rules: Path, state: Path, extra: Sequence[Path] = ()) -> tuple[RuleFolder, ...]:
    """What a watch loads: its rules, the rule sets pulled, the further folders in their order, then the operator's own where there is one.

    Raises DataError for a folder that is not there: rules that are silently not loaded find nothing.
    """
    for folder in (rules, *extra):
        if not folder.is_dir():
            raise DataError(str(folder), 0, "", "is not a folder of rules; see SIEM_RULES and SIEM_EXTRA_RULES")
    own = state / OWN
    return named([rules, *_pulled(state), *extra, *([own] if own.is_dir() else [])])


def _pulled(state: Path) -> list[RuleFolder]:
    """The current versions of the rule sets. Raises DataError for a manifest that cannot be read."""
    found: list[RuleFolder] = []
    for manifest in sorted((state / RULE_SETS).glob("*/manifest.json")):
        try:
            document = json.loads(manifest.read_text("utf-8"))
            current = document["versions"][0]
            folder = manifest.parent / current["revision"]
            found.append(RuleFolder(folder, document["name"], current["licence"], frozenset(current["left_out"])))
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise DataError(str(manifest), 0, "", f"not the manifest of a rule set; pull it again: {error}") from error
        if not folder.is_dir():
            raise DataError(str(manifest), 0, "revision", f"the version {folder.name} is not there; pull it again")
    return found


def named(folders: Sequence[Path | RuleFolder]) -> tuple[RuleFolder, ...]:
    """Folders with distinct names: the first needs none, another has the shortest end of its path that nothing else is called by."""
    found: list[RuleFolder] = []
    for folder in folders:
        if isinstance(folder, RuleFolder):
            found.append(folder)
        elif not found:
            found.append(RuleFolder(folder))
        else:
            found.append(RuleFolder(folder, _name(folder.resolve(), found)))
    return tuple(found)


def _name(folder: Path, others: Sequence[RuleFolder]) -> str:
    taken = {other.name for other in others}
    unnamed = [other.path for other in others if not other.name]
    parts = folder.parts[1:]
    for length in range(1, len(parts)):
        name = "/".join(parts[-length:])
        if name not in taken and not any((path / name).exists() for path in unnamed):
            return name
    return folder.as_posix()
