"""Fields that rules, filters and correlations speak of and that their sources, as far as is known, do not have.

Where the fields of a source are those of the event table, a rule that asks for another is refused as it loads. Other sources may carry
anything. There, a name that is neither documented (``known`` of the pipeline) nor in any event that the watch has counted is told, where it
is nearly one of those, with the one that may be meant, and where events came that should have had it. Both are warnings: the source may
know better.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from siem.detection.correlations import references_of
from siem.detection.documents import Document
from siem.detection.filters import Filter
from siem.detection.heading import id_from, own_section, text_at
from siem.detection.load import CompiledRule, Ruleset
from siem.detection.logsource import LogSource
from siem.detection.nearest import meant
from siem.detection.pipelines import Pipelines
from siem.detection.plan import asked_of_matches
from siem.detection.predicates import TIMESTAMP
from siem.detection.profile import UnseenField
from siem.detection.selections import RuleMistake
from siem.errors import DataError

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of fields: those documented, by pipeline; those that no event ever had; and the names that each source's events had."""

    pipelines: Pipelines
    unseen: Sequence[UnseenField] = ()
    seen: Mapping[str, frozenset[str]] | None = None


def unknown_fields(documents: Sequence[Document], ruleset: Ruleset, known: Known) -> list[DataError]:
    """A warning for each field of the documents that is not known where it is looked for; rule sets of others are not looked at."""
    return list(dict.fromkeys(_Walk(ruleset, known).warnings(documents)))


class _Walk:
    def __init__(self, ruleset: Ruleset, known: Known) -> None:
        self._known = known
        self._singles = {one.rule.id: one for one in ruleset.singles}
        self._asked = asked_of_matches(ruleset)
        self._filters = {one.path: one for one in ruleset.filters}
        self._seen = frozenset[str]().union(*(known.seen or {}).values())
        self._unseen: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for one in known.unseen:
            for rule_id in one.rule_ids:
                self._unseen.setdefault((rule_id, (one.field, *one.elsewhere)), []).append(one.source)

    def warnings(self, documents: Iterable[Document]) -> Iterator[DataError]:
        for document in documents:
            for problem, path in self._of(document):
                yield document.error(RuleMistake(problem, *path))

    def _of(self, document: Document) -> Iterator[tuple[str, Path]]:
        body = document.body
        if "filter" in body:
            yield from self._of_filter(document, body["filter"])
            return
        rule_id = text_at(body, "id") or id_from(text_at(body, "name"), text_at(body, "title"))
        section, place = body.get("correlation"), Path(("correlation",))
        if section is None:
            section, place = own_section(body, "baseline"), Path(("veilleur", "baseline"))
        if isinstance(section, Mapping):
            yield from self._of_asker(rule_id, section, place)
        elif rule_id in self._singles:
            yield from self._told(_fields_of(body.get("detection"), ("detection",)), [self._singles[rule_id]], asker=rule_id)

    def _of_filter(self, document: Document, section: object) -> Iterator[tuple[str, Path]]:
        one = self._filters.get(document.path)
        rules = [rule for rule in self._singles.values() if one is not None and _is_added(one, rule)]
        yield from self._told(_fields_of(section, ("filter",)), rules)

    def _of_asker(self, rule_id: str, section: Mapping[object, object], place: Path) -> Iterator[tuple[str, Path]]:
        """A correlation or a baseline: what it groups and counts by, under the names of each rule that it asks."""
        for single_id, askers in self._asked.items():
            for name in askers.get(rule_id, ()):
                yield from self._told([(name, (*place, *_place_of(name, section)))], [self._singles[single_id]], asker=rule_id)
        yield from _idle_aliases(section)

    def _told(
        self, fields: Iterable[tuple[str, Path]], rules: Sequence[CompiledRule], asker: str | None = None
    ) -> Iterator[tuple[str, Path]]:
        sources = [source for rule in rules for variant in rule.variants for source in variant.sources if not source.known]
        documented = self._documented(sources)
        for name, path in fields if sources else ():
            places = [variant.event_names(name) for rule in rules for variant in rule.variants]
            if name == TIMESTAMP or name in documented or any(not self._seen.isdisjoint(at) for at in places):
                continue
            if said := meant(name, documented):
                yield f"the source is not known to have a field «{name}»{said}", path
            elif never := sorted({source for at in places for source in self._unseen.get((asker or "", at), ())}):
                had = {seen for source in never for seen in (self._known.seen or {}).get(source, ())}
                yield f"no event of {', '.join(never)} has ever had a field «{name}»{meant(name, had)}", path

    def _documented(self, sources: Iterable[LogSource]) -> frozenset[str]:
        """The names documented for the log sources; none where one of them documents nothing."""
        each = [self._known.pipelines.documented.get(source.pipeline, frozenset[str]()) for source in sources]
        return frozenset[str]().union(*each) if all(each) else frozenset()


def _is_added(one: Filter, rule: CompiledRule) -> bool:
    return any(added.filter.path == one.path for variant in rule.variants for added in variant.filters)


def _fields_of(section: object, place: Path) -> Iterator[tuple[str, Path]]:
    """Each field of the selections of a section, with where it stands."""
    for name, body in section.items() if isinstance(section, Mapping) else ():
        if str(name) in ("condition", "rules", "timeframe"):
            continue
        parts = body if isinstance(body, list) else [body]
        for number, part in enumerate(parts):
            within = (*place, str(name), *([str(number)] if isinstance(body, list) else []))
            for key, value in part.items() if isinstance(part, Mapping) else ():
                field, *modifiers = str(key).split("|")
                if field:
                    yield field, (*within, str(key))
                for other in (value if isinstance(value, list) else [value]) if "fieldref" in modifiers else ():
                    yield str(other), (*within, str(key))


def _place_of(name: str, section: Mapping[object, object]) -> Path:
    """Where a section asks for a field of a rule."""
    condition = section.get("condition")
    said = {
        ("group-by",): section.get("group-by"),
        ("condition", "field"): condition.get("field") if isinstance(condition, Mapping) else None,
        ("field",): section.get("field"),
        ("peers",): section.get("peers"),
    }
    for path, names in said.items():
        if name in (names if isinstance(names, list) else [names]):
            return path
    aliases = section.get("aliases")
    for alias, fields in aliases.items() if isinstance(aliases, Mapping) else ():
        if isinstance(fields, Mapping) and name in fields.values():
            return ("aliases", str(alias))
    return ()


def _idle_aliases(section: Mapping[object, object]) -> Iterator[tuple[str, Path]]:
    """Aliases that stand for a field in nothing: a slip in them, or in what was to name them."""
    aliases, condition = section.get("aliases"), section.get("condition")
    named: list[str] = []
    for names in (section.get("group-by"), condition.get("field") if isinstance(condition, Mapping) else None):
        named.extend(str(one) for one in (names if isinstance(names, list) else [names]) if one is not None)
    for alias in aliases if isinstance(aliases, Mapping) and references_of(section) else ():
        if str(alias) not in named:
            yield f"the alias «{alias}» is used nowhere{meant(str(alias), named)}", ("correlation", "aliases", str(alias))
