"""Log sources: which events a rule's ``logsource`` names, and what its fields are called there.

A rule names a log source by product, category and service; a log source agrees if it has the same value for each key the rule gives.
Several may agree: the rule then reads each of them. :mod:`.pipelines` reads them from files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from siem.detection.nearest import meant

#: The event's own instant, which every event has.
_TIMESTAMP: Final = "@timestamp"


@dataclass(frozen=True, slots=True)
class LogSource:
    """One kind of events. ``select`` gives the values (in lower case) that its events have in routing fields.

    ``fields`` maps a rule's name to the event's, in the order in which they are looked at. With a ``prefix`` a name without a dot is
    also looked for behind it. ``known`` are the fields its events may carry (empty: any). ``subject`` is what an alert is about.
    """

    product: str
    category: str
    service: str
    select: Mapping[str, frozenset[str]]
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subject: str = ""
    known: frozenset[str] = frozenset()
    prefix: str = ""
    #: Name of the pipeline that it is written in.
    pipeline: str = ""
    #: Types of sources that give its events; none: any may.
    types: frozenset[str] = frozenset()
    #: Whether a source is configured whose events these are; what nothing feeds is read only by rules that nothing else feeds.
    fed: bool = True

    def agrees(self, wanted: Mapping[str, str]) -> bool:
        """Whether a rule's ``logsource`` names it."""
        return (
            self.product == wanted.get("product", self.product)
            and self.category == wanted.get("category", self.category)
            and self.service == wanted.get("service", self.service)
        )

    def event_names(self, name: str) -> tuple[str, ...]:
        """What the event's fields are called of which a rule speaks as ``name``: one at least, the likeliest first."""
        mapped = self.fields.get(name)
        if not self.prefix or "." in name or name == _TIMESTAMP:
            return mapped or (name,)
        return (*(one for one in mapped or () if one != self.prefix + name), self.prefix + name)

    def gives(self, name: str) -> bool:
        """Whether its events may carry what a rule calls ``name``."""
        return not self.known or name == _TIMESTAMP or any(one in self.known for one in self.event_names(name))


def lacks(sources: Iterable[LogSource], name: str) -> str | None:
    """None where one of the log sources may give what a rule calls ``name``; else what may have been meant, as the end of a sentence."""
    every = tuple(sources)
    if any(source.gives(name) for source in every):
        return None
    return meant(name, {one for source in every for one in (*source.known, *source.fields)})
