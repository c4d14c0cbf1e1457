"""Correlations spelled out for engines that are not ours: with the event's names of fields, one name for each.

Where a field may stand in several places, we take the first that is there; no other engine groups by that. Such a correlation is
written once for each place, over copies of its rules that ask for the field there, and all of them together find what ours finds
in events of one collector, which puts a field in one place.
"""

import itertools
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from siem.detection.correlations import references_of
from siem.detection.documents import Document
from siem.detection.logsource import LogSource

#: A document's content as another engine is given it, with the document it comes of.
Spelled = tuple[dict[str, object], Document]
#: The log source of a rule, where one of ours reads it.
SourceOf = Callable[[Document], LogSource | None]
#: Correlations that one becomes, at most.
_MAX_COPIES: Final = 32
_THERE: Final = "veilleur_there"
_NAMESPACE: Final = uuid.UUID("9c3f6b0e-6f0a-4b3e-8b67-2f2a3f6f5d11")
#: For a rule, and a field as documents name it: where it stands in events.
_Places = dict[tuple[str, str], str]


def spelled_out(documents: Sequence[Document], source_of: SourceOf) -> list[Spelled]:
    """Rules on single events as they are, correlations with the event's names. Raises DataError for one that would be too many."""
    return list(_Speller(documents, source_of).spelled())


@dataclass(frozen=True, slots=True)
class _Copy:
    """One writing of a correlation and of all that it is over. ``mark`` tells it from the others, and is empty where there are none."""

    members: frozenset[int]
    places: _Places
    several: frozenset[str]
    mark: str

    def named(self, name: str) -> str:
        """What a rule of this name or id is called in this copy."""
        if not self.mark:
            return name
        return str(uuid.uuid5(_NAMESPACE, name + self.mark)) if _is_id(name) else f"{name}_{self.mark}"


class _Speller:
    def __init__(self, documents: Sequence[Document], source_of: SourceOf) -> None:
        self.documents = documents
        self.source_of = source_of
        self.by_name = {str(one.body[key]): at for at, one in enumerate(documents) for key in ("id", "name") if one.body.get(key)}
        self.sections = {at: section for at, one in enumerate(documents) if isinstance(section := one.body.get("correlation"), Mapping)}

    def spelled(self) -> Iterator[Spelled]:
        referred = {self.by_name.get(reference) for section in self.sections.values() for reference in references_of(section)}
        copies = [copy for at in self.sections if at not in referred for copy in self._copies(at)]
        for at, document in enumerate(self.documents):
            own = [copy for copy in copies if at in copy.members]
            for copy in own:
                yield self._written(at, copy), document
            if not own or (all(copy.mark for copy in own) and self._alerts_too(at)):
                yield dict(document.body), document

    def _alerts_too(self, at: int) -> bool:
        """Whether a rule behind a correlation is also to be a query of its own."""
        sections = (
            (section, self.documents[of].body.get("generate"))
            for of, section in self.sections.items()
            if at in {self.by_name.get(reference) for reference in references_of(section)}
        )
        return any(section.get("generate", beside) is True for section, beside in sections)

    def _copies(self, root: int) -> Iterator[_Copy]:
        members = frozenset(self._under(root))
        choices: dict[tuple[int, str], tuple[str, ...]] = {}
        wanted = dict.fromkeys(asked for at in sorted(members & self.sections.keys()) for asked in self._asked(at))
        for reference, name in wanted:
            source, number = self._behind(reference)
            choices[number, name] = (name,) if source is None else source.event_names(name)
        rows = list(itertools.islice(itertools.product(*choices.values()), _MAX_COPIES + 1))
        if len(rows) > _MAX_COPIES:
            spoken = ", ".join(dict.fromkeys(name for (_, name), places in choices.items() if len(places) > 1))
            problem = f"its fields may stand in too many places to be written out for each ({spoken}): convert it over rules of one place"
            raise self.documents[root].error_at(problem, "correlation")
        several = frozenset(place for places in choices.values() if len(places) > 1 for place in places)
        for number, row in enumerate(rows, 1):
            chosen = dict(zip(choices, row, strict=True))
            places = {(reference, name): chosen[self._behind(reference)[1], name] for reference, name in wanted}
            yield _Copy(members, places, several, str(number) if len(rows) > 1 else "")

    def _under(self, at: int, above: frozenset[int] = frozenset()) -> Iterator[int]:
        """A correlation and all that it is over; one that is over itself is for the reader of the result to refuse."""
        yield at
        for reference in references_of(self.sections.get(at, {})):
            child = self.by_name.get(reference)
            if child is not None and child not in above:
                yield from self._under(child, above | {at})

    def _asked(self, at: int) -> Iterator[tuple[str, str]]:
        """What a correlation asks of each rule: reference and field, as the rule names it."""
        section = self.sections[at]
        for reference in references_of(section):
            for name in (*_names(section.get("group-by")), *_names(_condition(section).get("field"))):
                yield reference, _alias(section, name).get(reference, name)

    def _behind(self, reference: str) -> tuple[LogSource | None, int]:
        """The log source that a rule, or the first one behind a correlation, reads, with the place of that rule's log source."""
        at = self.by_name.get(reference)
        found = [one for one in (self._under(at) if at is not None else ()) if one not in self.sections]
        if not found:
            return None, -1
        source = self.source_of(self.documents[found[0]])
        alike = (place for place, one in enumerate(self.documents) if place not in self.sections and self.source_of(one) is source)
        return source, next(alike)

    def _written(self, at: int, copy: _Copy) -> dict[str, object]:
        body = dict(self.documents[at].body)
        for key in ("id", "name"):
            if body.get(key):
                body[key] = copy.named(str(body[key]))
        if at in self.sections:
            body["correlation"] = self._correlation(at, copy)
            if copy.mark:
                body.pop("generate", None)
                body["title"] = f"{body.get('title', '')} ({', '.join(sorted(copy.several & set(copy.places.values())))})"
        elif copy.mark:
            body["detection"] = self._there(at, copy)
        return body

    def _correlation(self, at: int, copy: _Copy) -> dict[str, object]:
        section = self.sections[at]
        references = references_of(section)
        made: dict[str, dict[str, str]] = {}

        def spelled(name: str) -> str:
            alias = _alias(section, name)
            places = {copy.named(one): copy.places[one, alias.get(one, name)] for one in references}
            if not alias and len(set(places.values())) == 1:
                return next(iter(places.values()))
            made[name] = places
            return name

        changed = {key: value for key, value in section.items() if key not in ("aliases", *(("generate",) if copy.mark else ()))}
        if "group-by" in section:
            changed["group-by"] = [spelled(name) for name in _names(section["group-by"])]
        condition = section.get("condition")
        if isinstance(condition, Mapping) and "field" in condition:
            fields = [spelled(name) for name in _names(condition["field"])]
            changed["condition"] = {**condition, "field": fields if isinstance(condition["field"], list) else fields[0]}
        elif isinstance(condition, str):
            changed["condition"] = re.sub(r"[\w.-]+", lambda found: copy.named(found[0]) if found[0] in references else found[0], condition)
        if "rules" in section:
            changed["rules"] = [copy.named(one) for one in references]
        if made:
            changed["aliases"] = made
        return changed

    def _there(self, at: int, copy: _Copy) -> object:
        """A rule's detection, and the fields that correlations look for in its events there where this copy looks for them."""
        detection = self.documents[at].body.get("detection")
        own = {str(self.documents[at].body.get(key)) for key in ("id", "name")}
        places = sorted({place for (reference, _), place in copy.places.items() if reference in own} & copy.several)
        if not isinstance(detection, Mapping) or not places:
            return detection
        said = detection.get("condition")
        conditions = said if isinstance(said, list) else [said]
        added = {_THERE: {f"{place}|exists": True for place in places}}
        return {**detection, **added, "condition": " or ".join(f"({one})" for one in conditions).join(("(", f") and {_THERE}"))}


def _names(value: object) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _condition(section: Mapping[object, object]) -> Mapping[object, object]:
    condition = section.get("condition")
    return condition if isinstance(condition, Mapping) else {}


def _alias(section: Mapping[object, object], name: str) -> Mapping[str, str]:
    aliases = section.get("aliases")
    found = aliases.get(name) if isinstance(aliases, Mapping) else None
    return {str(rule): str(field) for rule, field in found.items()} if isinstance(found, Mapping) else {}


def _is_id(name: str) -> bool:
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True
