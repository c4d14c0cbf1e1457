"""Load folders of rules as one set: each YAML document becomes a compiled rule or a named error.

A rule that cannot be honoured is refused with file, line and reason; the others load. :mod:`.heading` reads what all kinds of rules
have in common.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from siem.detection import Rule
from siem.detection.baseline.document import Baseline, read_baseline
from siem.detection.conditions import Node, all_of, predicates
from siem.detection.correlations import Correlation, read_correlation, references_of
from siem.detection.documents import Document, read_documents
from siem.detection.filters import AddedFilter, Filter, read_filter
from siem.detection.folders import OWN, RuleFolder, named
from siem.detection.heading import heading, id_from, own_section, text_at
from siem.detection.indicators import CompiledIndicators, read_indicators
from siem.detection.logsource import LogSource, lacks
from siem.detection.modifiers import ItemError, Placeholders
from siem.detection.overrides import overridden
from siem.detection.pipelines import product_pipelines
from siem.detection.placeholders import FOLDER as LISTS
from siem.detection.placeholders import read_placeholders
from siem.detection.predicates import fields_of
from siem.detection.references import References, inputs_of
from siem.detection.selections import RuleMistake, mistake_of
from siem.detection.zones import rule_tree
from siem.errors import DataError


@dataclass(frozen=True, slots=True)
class Variant:
    """A rule's condition over the events of some log sources that share the same field names.

    ``tree`` is the rule's own condition, ``filters`` are added to it; ``fields`` are those of both, ``named`` as the documents name them.
    """

    sources: tuple[LogSource, ...]
    tree: Node
    fields: tuple[str, ...]
    filters: tuple[AddedFilter, ...] = ()
    named: tuple[str, ...] = ()

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

    def lacks(self, name: str) -> str | None:
        """None where some source of the rule may give a field; else what may have been meant (:func:`.logsource.lacks`)."""
        return lacks((source for variant in self.variants for source in variant.sources), name)


@dataclass(frozen=True, slots=True)
class CompiledCorrelation:
    """A correlation, its references resolved to rule ids in :attr:`inputs` (same order)."""

    rule: Rule
    name: str
    correlation: Correlation
    inputs: tuple[str, ...]
    alerts: bool = True


@dataclass(frozen=True, slots=True)
class CompiledBaseline:
    """A baseline, its references resolved to ids of rules on single events in :attr:`inputs`."""

    rule: Rule
    name: str
    baseline: Baseline
    inputs: tuple[str, ...]
    alerts: bool = True


@dataclass(frozen=True, slots=True)
class Ruleset:
    """What the folders hold. ``correlations`` stand after everything they refer to.

    ``digest`` names everything the set comes of, where it is known (:mod:`siem.detection.compiled`).
    """

    rules: Mapping[str, Rule] = field(default_factory=dict)
    errors: tuple[DataError, ...] = ()
    singles: tuple[CompiledRule, ...] = ()
    correlations: tuple[CompiledCorrelation, ...] = ()
    filters: tuple[Filter, ...] = ()
    baselines: tuple[CompiledBaseline, ...] = ()
    indicators: tuple[CompiledIndicators, ...] = ()
    digest: str = ""

    @property
    def alerting(self) -> frozenset[str]:
        """Ids of the rules that raise alerts; the others only feed correlations."""
        rows: tuple[CompiledRule | CompiledCorrelation | CompiledBaseline, ...] = (*self.singles, *self.correlations, *self.baselines)
        return frozenset(one.rule.id for one in rows if one.alerts) | frozenset(one.rule.id for one in self.indicators)

    def only(self, rule_ids: Iterable[str]) -> "Ruleset":
        """These rules and what feeds them, by whatever number of correlations; enough to say what the full set says of them."""
        wanted = set(rule_ids)
        for one in reversed(self.correlations):  # parents before children
            if one.rule.id in wanted:
                wanted.update(one.inputs)
        for compared in self.baselines:
            if compared.rule.id in wanted:
                wanted.update(compared.inputs)
        return Ruleset(
            rules={rule_id: rule for rule_id, rule in self.rules.items() if rule_id in wanted},
            singles=tuple(one for one in self.singles if one.rule.id in wanted),
            correlations=tuple(one for one in self.correlations if one.rule.id in wanted),
            baselines=tuple(one for one in self.baselines if one.rule.id in wanted),
            indicators=tuple(one for one in self.indicators if one.rule.id in wanted),
            filters=self.filters,
        )

    def fed_by(self, rule_ids: Iterable[str]) -> frozenset[str]:
        """These rules and every rule that they feed, by whatever number of correlations."""
        fed = set(rule_ids)
        inputs = [(one.rule.id, one.inputs) for one in self.baselines] + [(one.rule.id, one.inputs) for one in self.correlations]
        for rule_id, fed_from in inputs:  # children before parents
            if not fed.isdisjoint(fed_from):
                fed.add(rule_id)
        return frozenset(fed)

    def filters_of(self, rule_id: str) -> tuple[Filter, ...]:
        """The filters added to a rule, or to those that feed it."""
        variants = (variant for one in self.only([rule_id]).singles for variant in one.variants)
        added = {one.filter.key: one.filter for variant in variants for one in variant.filters}
        return tuple(added.values())


def load_rules(
    *folders: Path | RuleFolder,
    sources: Sequence[LogSource] | None = None,
    placeholders: Placeholders | None = None,
    instead: Sequence[Document] = (),
) -> Ruleset:
    """Compile every ``.yml`` file under the folders, folder by folder in the order of their paths; ids and names are unique over all.

    ``placeholders`` stand above the lists that the folders hold (:mod:`.placeholders`).
    Documents given as ``instead`` are added, in the place of those of the same id or name: a rule that is being written, beside the others.
    """
    every = named(folders)
    lists, errors = read_placeholders(every)
    read, wrong = read_folders(every)
    documents, misplaced = overridden(read)
    if instead:
        replaced = {str(one.body[key]) for one in instead for key in ("id", "name") if one.body.get(key)}
        documents = [one for one in documents if replaced.isdisjoint(map(str, (one.body.get("id"), one.body.get("name"))))]
        documents.extend(instead)
    known_sources = product_pipelines().sources if sources is None else tuple(sources)
    return _Loader(known_sources, {**lists, **(placeholders or {})}, [*errors, *wrong, *misplaced]).load(documents)


def read_folders(folders: Sequence[RuleFolder]) -> tuple[list[Document], list[DataError]]:
    """The documents of the folders but their lists, in the order of their paths, and the files that are none."""
    documents: list[Document] = []
    errors: list[DataError] = []
    for folder in folders:
        for path in sorted(folder.path.rglob("*.y*ml")):
            if path.suffix not in (".yml", ".yaml") or path.relative_to(folder.path).parts[0] == LISTS or folder.leaves_out(path):
                continue
            if path.suffix == ".yaml":
                errors.append(DataError(folder.file_name(path), 0, "", "the file is not read: files of rules end in .yml"))
                continue
            found, wrong = read_documents(path, folder)
            documents.extend(found)
            errors.extend(wrong)
    return documents, errors


_Compiled = CompiledRule | CompiledCorrelation | CompiledBaseline | CompiledIndicators


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
        baselines: dict[str, CompiledBaseline] = {}
        indicators: list[CompiledIndicators] = []
        for document in documents:
            if "filter" in document.body:
                continue
            self._note_references(document.body.get("correlation"), document.body.get("generate"))
            self._note_references(own_section(document.body, "baseline"))
            try:
                one = self._compile(document)
            except Exception as fault:  # noqa: BLE001  # the fault of one document is never that of the others
                self.errors.append(document.error(mistake_of(fault)))
                continue
            self._register(one, document)
            if isinstance(one, CompiledRule):
                singles[one.rule.id] = one
            elif isinstance(one, CompiledBaseline):
                baselines[one.rule.id] = one
            elif isinstance(one, CompiledIndicators):
                indicators.append(one)
            else:
                correlations[one.rule.id] = one
        compared = self._fed(baselines, singles)
        ordered = self._resolve(singles, correlations, {one.rule.id: one for one in compared})
        for one_filter, document in self.filters:
            for reference in sorted(one_filter.rules):
                self._check_filtered(one_filter, document, reference)
        kept = {one.rule.id for one in ordered} | {one.rule.id for one in compared} | {one.rule.id for one in indicators}
        quiet = {self.names.get(one, one) for one in self.referred} - {self.names.get(one, one) for one in self.generated}
        return Ruleset(
            rules={id_: rule for id_, rule in self.rules.items() if id_ in singles or id_ in kept},
            errors=tuple(sorted(dict.fromkeys(self.errors), key=lambda error: (error.path, error.line, error.field))),
            singles=tuple(replace(one, alerts=id_ not in quiet) for id_, one in singles.items()),
            correlations=tuple(replace(one, alerts=one.rule.id not in quiet) for one in ordered),
            filters=tuple(one for one, _ in self.filters),
            baselines=tuple(replace(one, alerts=one.rule.id not in quiet) for one in compared),
            indicators=tuple(indicators),
        )

    def _read_filters(self, documents: Sequence[Document]) -> None:
        for document in documents:
            if "filter" in document.body:
                try:
                    one = replace(read_filter(document.body, self.placeholders), path=document.path, own=document.folder.path.name == OWN)
                    self.filters.append((one, document))
                except RuleMistake as mistake:
                    self.errors.append(document.error(mistake))

    def _check_filtered(self, one: Filter, document: Document, reference: str) -> None:
        """A filter that names a rule which it does not reach is a mistake, not a filter that does nothing."""
        target = self.where.get(self.names.get(reference, ""))
        if target is None:
            problem = self._unknown(reference)
        elif "correlation" in target.body or own_section(target.body, "baseline") is not None:
            problem = f"«{reference}» is no rule on single events, to which a filter is added: name those behind it"
        elif not one.applies_to(target.body):
            problem = f"«{reference}» is a rule of another log source than the filter's"
        else:
            return
        self.errors.append(document.error(RuleMistake(problem, "filter", "rules")))

    def _note_references(self, section: object, generate: object = None) -> None:
        if isinstance(section, Mapping):
            found = set(references_of(section))
            self.referred |= found
            if section.get("generate", generate) is True:
                self.generated |= found

    def _register(self, one: _Compiled, document: Document) -> None:
        self.rules[one.rule.id] = one.rule
        self.where[one.rule.id] = document
        if isinstance(one, CompiledIndicators):
            return
        self.names[one.rule.id] = one.rule.id
        if one.name:
            self.names[one.name] = one.rule.id

    def _compile(self, document: Document) -> _Compiled:
        body = document.body
        name = text_at(body, "name")
        rule_id = text_at(body, "id") or id_from(name, text_at(body, "title"))
        if rule_id in self.rules:
            raise RuleMistake(f"the id {rule_id} is that of {self.rules[rule_id].path}; ids are unique", "id")
        if name and name in self.names:
            raise RuleMistake(f"the name «{name}» is already that of {self.where[self.names[name]].path}", "name")
        if (own := self._own(document, rule_id, name)) is not None:
            return own
        if "correlation" in body:
            correlation = read_correlation(body["correlation"], generate=body.get("generate"), detection=body.get("detection"))
            subject = correlation.group_by[0] if correlation.group_by else ""
            return CompiledCorrelation(heading(document, rule_id, subject, correlation=True), name, correlation, ())
        if "detection" not in body:
            raise RuleMistake("a detection or a correlation is expected", "detection")
        variants = self._variants(body)
        return CompiledRule(heading(document, rule_id, variants[0].sources[0].subject, correlation=False), name, variants)

    def _own(self, document: Document, rule_id: str, name: str) -> CompiledBaseline | CompiledIndicators | None:
        """A rule of our own section, where the document is one."""
        body = document.body
        sections = {key: section for key in ("baseline", "indicators") if (section := own_section(body, key)) is not None}
        if not sections:
            return None
        if len(sections) > 1 or "detection" in body or "correlation" in body:
            problem = f"a rule of {' or '.join(sections)} has no detection and no correlation of its own"
            raise RuleMistake(problem, "veilleur", next(iter(sections)))
        if "indicators" in sections:
            wanted = read_indicators(sections["indicators"])
            return CompiledIndicators(heading(document, rule_id, wanted.fields[0][0], correlation=False), wanted)
        baseline = read_baseline(sections["baseline"])
        subject = baseline.group_by[0] if baseline.group_by else baseline.fields[0]
        return CompiledBaseline(heading(document, rule_id, subject, correlation=True), name, baseline, ())

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
        event_names, asked = sources[0].event_names, dict[str, None]()

        def rename(name: str) -> tuple[str, ...]:
            if (meant := lacks(sources, name)) is not None:
                raise ItemError(f"the source has no field «{name}»{meant}")
            asked[name] = None
            return event_names(name)

        tree = rule_tree(body, self.placeholders, rename)
        added: list[AddedFilter] = []
        for one, document in self.filters:
            if one.applies_to(body):
                try:
                    added.append(AddedFilter(one, one.tree(self.placeholders, rename)))
                except RuleMistake as mistake:
                    # A filter that cannot be honoured hides nothing: the rule goes on without it.
                    self.errors.append(document.error(mistake))
        everything = all_of([tree, *(one.tree for one in added)])
        fields = dict.fromkeys(name for predicate in predicates(everything) for name in fields_of(predicate))
        return Variant(sources, tree, tuple(fields), tuple(added), tuple(asked))

    def _fed(self, baselines: Mapping[str, CompiledBaseline], singles: Mapping[str, CompiledRule]) -> list[CompiledBaseline]:
        """Baselines with their references resolved; one that cannot be is an error."""
        made: list[CompiledBaseline] = []
        for rule_id, one in baselines.items():
            try:
                lookup = partial(self._lookup, "veilleur", "baseline")
                inputs = inputs_of(one.baseline, lookup, singles.__contains__, lambda each, name: singles[each].lacks(name))
                made.append(replace(one, inputs=inputs))
            except RuleMistake as mistake:
                self._refuse(rule_id, mistake)
        return made

    def _unknown(self, reference: str) -> str:
        if reference in self.rules:
            return f"«{reference}» is about indicators: nothing else can be built on what it finds"
        return f"no rule has the name or id «{reference}»"

    def _lookup(self, *section_and_reference: str) -> str:
        *section, reference = section_and_reference
        found = self.names.get(reference)
        if found is None:
            raise RuleMistake(self._unknown(reference), *section, "rules")
        return found

    def _refuse(self, rule_id: str, mistake: RuleMistake) -> None:
        self.errors.append(self.where[rule_id].error(mistake))

    def _resolve(
        self,
        singles: Mapping[str, CompiledRule],
        correlations: Mapping[str, CompiledCorrelation],
        baselines: Mapping[str, CompiledBaseline],
    ) -> list[CompiledCorrelation]:
        """Correlations with their references resolved, children before parents."""

        def lookup(reference: str) -> str:
            found = self._lookup("correlation", reference)
            if not any(found in known for known in (singles, correlations, baselines)):
                raise RuleMistake(f"«{reference}» was refused", "correlation", "rules")
            return found

        def lacking(rule_id: str, name: str) -> str | None:
            inputs = baselines[rule_id].inputs if rule_id in baselines else (rule_id,)
            return next((meant for one in inputs if (meant := singles[one].lacks(name)) is not None), None)

        sections = {rule_id: one.correlation for rule_id, one in correlations.items()}
        inputs = References(sections, lookup, lacking, self._refuse).inputs
        return [replace(correlations[rule_id], inputs=found) for rule_id, found in inputs.items()]
