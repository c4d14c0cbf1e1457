"""The rules in force, which may be read anew while the watch runs: a filter that a person has just written is in force at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from siem.detection import Rule
from siem.detection.load import Ruleset


class LiveRules(Mapping[str, Rule]):
    """The rules by id, as they stand now. ``load`` reads every folder, and further ones beside."""

    def __init__(self, load: Callable[[Sequence[Path]], Ruleset]) -> None:
        self.load = load
        self.current = load(())

    def renew(self) -> None:
        """Read the folders anew. Raises OSError where a file cannot be read; the rules then stay as they are."""
        self.current = self.load(())

    def __getitem__(self, rule_id: str) -> Rule:
        return self.current.rules[rule_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.current.rules)

    def __len__(self) -> int:
        return len(self.current.rules)
