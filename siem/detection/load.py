"""Load folders of rules as one set: each YAML document becomes a compiled rule or a named error.

A rule that cannot be honoured is refused with file, line and reason; the others load. Next to Sigma's own keys we read
one of ours, ``veilleur``: ``titre`` and ``resume`` (French; ``{field}`` and ``{count}`` are filled from the detection),
``summary`` (English), ``subject`` (the field whose value the alert is about) and ``repeat``
(such as ``1h``: during it a further match joins the same alert).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from siem.detection import Rule
from siem.detection.conditions import Node, all_of, predicates
from siem.detection.correlations import Correlation, read_correlation
from siem.detection.documents import Document, read_documents
from siem.detection.filters import AddedFilter, Filter, read_filter
from siem.detection.folders import OWN, RuleFolder, named
from siem.detection.logsource import LogSource
from siem.detection.modifiers import ItemError, Placeholders
from siem.detection.pipelines import product_pipelines
from siem.detection.predicates import fields_of
from siem.detection.selections import RuleMistake, detection_tree
from siem.errors import DataError

LEVELS: Final = ("informational", "low", "medium", "high", "critical")
_STATUSES: Final = ("stable", "test", "experimental", "deprecated", "unsupported")
_TECHNIQUE: Final = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)
_REPEAT: Final = re.compile(r"(\d{1,6})([smhd])")
_REPEAT_SECONDS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OUR_KEYS: Final = frozenset({"titre", "resume", "summary", "subject", "repeat"})
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Variant:
    """A rule's condition over the events of some log sources that share the same field names.

    ``tree`` holds the filters too; ``bare`` is the rule's own condition, and ``filters`` are what is added to it.
    """

    sources: tuple[LogSource, ...]
    tree: Node
    fields: tuple[str, ...]
    bare: Node
    filters: tuple[AddedFilter, ...] = ()

    def event_names(self, name: str) -> tuple[str, ...]:
        """The fields of these events of which the rule, or a correlation that it feeds, speaks as ``name``; the likeliest first."""
        return self.sources[0].event_names(name)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule on single events. ``alerts`` is false where it only feeds a correlation."""

    rule: Rule
    name: str
    variants: tuple[Variant, ...]
    alerts: bool = True


@dataclass(frozen=True, slots=True)
class CompiledCorrelation:
    """A correlation, its references resolved to rule ids in :attr:`inputs` (same order)."""

    rule: Rule
    name: str
    correlation: Correlation
    inputs: tuple[str, ...]
    alerts: bool = True


@dataclass(frozen=True, slots=True)
class Ruleset:
    """What the folders hold. ``correlations`` stand after everything they refer to."""

    rules: Mapping[str, Rule] = field(default_factory=dict)
    errors: tuple[DataError, ...] = ()
    singles: tuple[CompiledRule, ...] = ()
    correlations: tuple[CompiledCorrelation, ...] = ()
    filters: tuple[Filter, ...] = ()

    @property
    def alerting(self) -> frozenset[str]:
        """Ids of the rules that raise alerts; the others only feed correlations."""
        single = (one.rule.id for one in self.singles if one.alerts)
        return frozenset(single) | frozenset(one.rule.id for one in self.correlations if one.alerts)

    def only(self, rule_ids: Iterable[str]) -> "Ruleset":
        """These rules and what feeds them, by whatever number of correlations; enough to say what the full set says of them."""
        wanted = set(rule_ids)
        for one in reversed(self.correlations):  # parents before children
            if one.rule.id in wanted:
                wanted.update(one.inputs)
        return Ruleset(
            rules={rule_id: rule for rule_id, rule in self.rules.items() if rule_id in wanted},
            singles=tuple(one for one in self.singles if one.rule.id in wanted),
            correlations=tuple(one for one in self.correlations if one.rule.id in wanted),
            filters=self.filters,
        )

    def filters_of(self, rule_id: str) -> tuple[Filter, ...]:
        """The filters added to a rule, or to those that feed it."""
        variants = (variant for one in self.only([rule_id]).singles for variant in one.variants)
        added = {one.filter.key: one.filter for variant in variants for one in variant.filters}
        return tuple(added.values())


def load_rules(
    *folders: Path | RuleFolder,
    sources: Sequence[LogSource] | None = None,
    placeholders: Placeholders | None = None,
) -> Ruleset:
    """Compile every ``.yml`` file under the folders, folder by folder in the order of their paths; ids and names are unique over all.

    Raises OSError where a file cannot be read.
    """
    documents: list[Document] = []
    errors: list[DataError] = []
    for folder in named(folders):
        for path in sorted(folder.path.rglob("*.yml")):
            found, wrong = read_documents(path, folder)
            documents.extend(found)
            errors.extend(wrong)
    known_sources = product_pipelines().sources if sources is None else tuple(sources)
    return _Loader(known_sources, placeholders or {}, errors).load(documents)


class _Loader:
    """Compiles documents; what cannot be compiled is added to ``errors``."""

    def __init__(self, sources: Sequence[LogSource], placeholders: Placeholders, errors: list[DataError]) -> None:
        self.sources = sources
        self.placeholders = placeholders
        self.errors = errors
        self.rules: dict[str, Rule] = {}
        self.names: dict[str, str] = {}
        self.where: dict[str, Document] = {}
        #: What correlations refer to, refused ones too: a rule that feeds one must not start to alert because the correlation broke.
        self.referred: set[str] = set()
        self.generated: set[str] = set()
        self.filters: list[tuple[Filter, Document]] = []

    def load(self, documents: Sequence[Document]) -> Ruleset:
        self._read_filters(documents)
        singles: dict[str, CompiledRule] = {}
        correlations: dict[str, CompiledCorrelation] = {}
        for document in documents:
            if "filter" in document.body:
                continue
            self._note_references(document.body.get("correlation"))
            try:
                one = self._compile(document)
            except RuleMistake as mistake:
                self.errors.append(document.error(mistake))
                continue
            self._register(one, document)
            if isinstance(one, CompiledRule):
                singles[one.rule.id] = one
            else:
                correlations[one.rule.id] = one
        ordered = self._resolve(singles, correlations)
        for one_filter, document in self.filters:
            for reference in one_filter.rules - self.names.keys():
                self.errors.append(document.error(RuleMistake(f"no rule has the name or id «{reference}»", "filter", "rules")))
        kept = {one.rule.id: one for one in ordered}
        quiet = {self.names.get(one, one) for one in self.referred} - {self.names.get(one, one) for one in self.generated}
        return Ruleset(
            rules={id_: rule for id_, rule in self.rules.items() if id_ in singles or id_ in kept},
            errors=tuple(sorted(self.errors, key=lambda error: (error.path, error.line, error.field))),
            singles=tuple(replace(one, alerts=id_ not in quiet) for id_, one in singles.items()),
            correlations=tuple(replace(one, alerts=one.rule.id not in quiet) for one in ordered),
            filters=tuple(one for one, _ in self.filters),
        )

    def _read_filters(self, documents: Sequence[Document]) -> None:
        for document in documents:
            if "filter" in document.body:
                try:
                    own = document.folder.path.name == OWN
                    self.filters.append((replace(read_filter(document.body), path=document.path, own=own), document))
                except RuleMistake as mistake:
                    self.errors.append(document.error(mistake))

    def _note_references(self, section: object) -> None:
        if not isinstance(section, Mapping):
            return
        rules = section.get("rules")
        found = {one for one in (rules if isinstance(rules, list) else [rules]) if isinstance(one, str)}
        self.referred |= found
        if section.get("generate") is True:
            self.generated |= found

    def _register(self, one: CompiledRule | CompiledCorrelation, document: Document) -> None:
        self.rules[one.rule.id] = one.rule
        self.where[one.rule.id] = document
        self.names[one.rule.id] = one.rule.id
        if one.name:
            self.names[one.name] = one.rule.id

    def _compile(self, document: Document) -> CompiledRule | CompiledCorrelation:
        body = document.body
        rule_id = _text(body, "id")
        if not rule_id:
            raise RuleMistake("an id (UUID) is expected", "id")
        if rule_id in self.rules:
            raise RuleMistake(f"the id is that of {self.rules[rule_id].path}; ids are unique", "id")
        name = _text(body, "name")
        if name and name in self.names:
            raise RuleMistake(f"the name «{name}» is already that of {self.where[self.names[name]].path}", "name")
        if "correlation" in body:
            correlation = read_correlation(body["correlation"])
            subject = correlation.group_by[0] if correlation.group_by else ""
            return CompiledCorrelation(_rule(document, rule_id, subject, correlation=True), name, correlation, ())
        if "detection" not in body:
            raise RuleMistake("a detection or a correlation is expected", "detection")
        variants = self._variants(body)
        return CompiledRule(_rule(document, rule_id, variants[0].sources[0].subject, correlation=False), name, variants)

    def _variants(self, body: Mapping[str, object]) -> tuple[Variant, ...]:
        wanted = body.get("logsource")
        if not isinstance(wanted, Mapping):
            raise RuleMistake("a map with product, category or service is expected", "logsource")
        keys = {key: str(wanted[key]).lower() for key in ("product", "category", "service") if wanted.get(key)}
        agreeing = [source for source in self.sources if source.agrees(keys)] if keys else []
        if not agreeing:
            described = ", ".join(f"{key} {value}" for key, value in keys.items()) or "nothing"
            raise RuleMistake(f"no source gives {described}", "logsource")
        by_names: dict[tuple[object, ...], list[LogSource]] = {}
        for source in [source for source in agreeing if source.fed] or agreeing[:1]:
            by_names.setdefault((source.prefix, *sorted(source.fields.items())), []).append(source)
        return tuple(self._variant(body, tuple(found)) for found in by_names.values())

    def _variant(self, body: Mapping[str, object], sources: tuple[LogSource, ...]) -> Variant:
        event_names = sources[0].event_names

        def rename(name: str) -> tuple[str, ...]:
            if not any(source.gives(name) for source in sources):
                raise ItemError(f"the source has no field «{name}»")
            return event_names(name)

        bare = detection_tree(body["detection"], self.placeholders, rename)
        added: list[AddedFilter] = []
        for one, document in self.filters:
            if one.applies_to(body):
                try:
                    added.append(AddedFilter(one, one.tree(self.placeholders, rename)))
                except RuleMistake as mistake:
                    # A filter that cannot be honoured hides nothing: the rule goes on without it.
                    self.errors.append(document.error(mistake))
        tree = all_of([bare, *(one.tree for one in added)])
        fields = dict.fromkeys(name for predicate in predicates(tree) for name in fields_of(predicate))
        return Variant(sources, tree, tuple(fields), bare, tuple(added))

    def _resolve(self, singles: Mapping[str, CompiledRule], correlations: Mapping[str, CompiledCorrelation]) -> list[CompiledCorrelation]:
        """Correlations with their references resolved, children before parents."""
        ordered: dict[str, CompiledCorrelation] = {}
        refused: set[str] = set()

        def visit(rule_id: str, above: tuple[str, ...]) -> None:
            if rule_id in ordered or rule_id in refused:
                return
            try:
                inputs = [resolved(rule_id, reference, above) for reference in correlations[rule_id].correlation.references]
            except RuleMistake as mistake:
                refused.add(rule_id)
                self.errors.append(self.where[rule_id].error(mistake))
            else:
                ordered[rule_id] = replace(correlations[rule_id], inputs=tuple(inputs))

        def resolved(rule_id: str, reference: str, above: tuple[str, ...]) -> str:
            found = self._named(reference, (*above, rule_id))
            if found in singles:
                _check_fields(singles[found], correlations[rule_id].correlation, reference)
            elif found in correlations:
                visit(found, (*above, rule_id))
                if found in refused:
                    raise RuleMistake(f"«{reference}» was refused", "correlation", "rules")
            return found

        for rule_id in correlations:
            visit(rule_id, ())
        return list(ordered.values())

    def _named(self, reference: str, above: tuple[str, ...]) -> str:
        """Id of the rule that a correlation names. ``above`` are the correlations that lead to it. Raises RuleMistake."""
        found = self.names.get(reference)
        if found is None:
            raise RuleMistake(f"no rule has the name or id «{reference}»", "correlation", "rules")
        if found in above:
            raise RuleMistake(f"«{reference}» refers back to this correlation", "correlation", "rules")
        return found


def _check_fields(rule: CompiledRule, correlation: Correlation, reference: str) -> None:
    """Raises RuleMistake where a correlation speaks of a field that no source of the rule has."""
    sources = [source for variant in rule.variants for source in variant.sources]
    translated = [correlation.aliases.get(name, {}).get(reference, name) for name in correlation.group_by]
    for names, place in ((translated, ("group-by",)), (correlation.fields, ("condition", "field"))):
        for name in names:
            if not any(source.gives(name) for source in sources):
                raise RuleMistake(f"the source of «{reference}» has no field «{name}»", "correlation", *place)


def _rule(document: Document, rule_id: str, subject: str, *, correlation: bool) -> Rule:
    body = document.body
    title = _text(body, "title")
    if not title:
        raise RuleMistake("a title is expected", "title")
    level = _text(body, "level") or "medium"
    if level not in LEVELS:
        raise RuleMistake(f"one of {', '.join(LEVELS)} is expected", "level")
    status = _text(body, "status") or "experimental"
    if status not in _STATUSES:
        raise RuleMistake(f"one of {', '.join(_STATUSES)} is expected", "status")
    ours = body.get("veilleur") or {}
    if not isinstance(ours, Mapping):
        raise RuleMistake("a map is expected", "veilleur")
    unknown = [str(key) for key in ours if key not in _OUR_KEYS]
    if unknown:
        raise RuleMistake(f"unknown key «{unknown[0]}»", "veilleur", unknown[0])
    tags = _text_list(body, "tags")
    return Rule(
        id=rule_id,
        title=title,
        description=_text(body, "description"),
        author=_text(body, "author"),
        licence=_text(body, "license") or document.folder.licence,
        level=level,
        status=status,
        techniques=tuple(dict.fromkeys(found[1].upper() for tag in tags if (found := _TECHNIQUE.fullmatch(tag)))),
        references=tuple(_text_list(body, "references")),
        falsepositives=tuple(_text_list(body, "falsepositives")),
        path=document.path,
        rule_set=document.folder.name,
        source_text=document.text,
        title_fr=_text(ours, "titre", "veilleur") or title,
        summary_fr=_text(ours, "resume", "veilleur") or title,
        subject=_text(ours, "subject", "veilleur") or subject,
        repeat_seconds=_repeat(ours.get("repeat", "1h")),
        correlation=correlation,
        summary_en=_text(ours, "summary", "veilleur"),
    )


def _text(body: Mapping[str, object], key: str, *above: str) -> str:
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RuleMistake(f"a text is expected, found {value!r}", *above, key)
    return value.strip()


def _text_list(body: Mapping[str, object], key: str) -> list[str]:
    value = body.get(key)
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [str(one) for one in values if one is not None]


def _repeat(value: object) -> int:
    found = _REPEAT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise RuleMistake("a number and a unit (s, m, h, d) are expected, such as 1h", "veilleur", "repeat")
    return int(found[1]) * _REPEAT_SECONDS[found[2]]


def placeholders_of(summary: str) -> Iterator[str]:
    """Names between braces in a summary."""
    for found in _PLACEHOLDER.finditer(summary):
        yield found[1]
