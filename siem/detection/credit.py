"""Who wrote a rule, said wherever something that it matched is shown.

The Detection Rule License 1.1, under which most public Sigma rules stand, asks that messages about matches keep the author; the licence
goes along, and the id where a program reads, so that whoever receives a match knows what may be done with the rule.
"""

from dataclasses import dataclass
from typing import Self

from siem.detection import Rule


@dataclass(frozen=True, slots=True, order=True)
class Credit:
    """Of one rule: its own title, its author and its licence. Both are empty where neither the rule nor its rule set names one."""

    rule_id: str
    title: str
    author: str
    licence: str

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """That of a rule in force."""
        return cls(rule.id, rule.title, rule.author, rule.licence)

    def __str__(self) -> str:
        """For a line of text: ``title (author, licence, id)``."""
        return f"{self.title} ({', '.join(filter(None, (self.author, self.licence, self.rule_id)))})"

    def document(self) -> dict[str, str]:
        """For whatever is read by programs."""
        return {"rule_id": self.rule_id, "rule": self.title, "author": self.author, "licence": self.licence}
