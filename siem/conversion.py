"""Rules handed to the backends of pySigma: queries for systems that are not ours, with our names of fields.

The backends are other people's, installed as wished (``pip install veilleur[convert]`` brings some). What one of them cannot express
it says itself, rule by rule; the others are converted all the same. Detection here never passes through them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from siem.detection.correlations import references_of
from siem.detection.credit import Credit
from siem.detection.documents import Document
from siem.detection.logsource import LogSource
from siem.detection.modifiers import Placeholders
from siem.detection.pipelines import Pipelines
from siem.detection.predicates import UTC_ZONE, TimePart
from siem.detection.selections import RuleMistake
from siem.detection.spelling import Spelled, spelled_out
from siem.detection.zones import zone_of
from siem.errors import DataError, OperationError

_OF_SOURCE: Final = ("product", "category", "service")


@dataclass(frozen=True, slots=True)
class Converted:
    """``queries`` as the backend gives them, and for each rule that it cannot express the reason."""

    queries: tuple[str, ...]
    refused: tuple[DataError, ...]


def backends() -> Mapping[str, Any]:
    """The backends that are installed, by the name that sigma-cli knows them by. Raises OperationError where pySigma itself is not."""
    try:
        from sigma.plugins import InstalledSigmaPlugins
    except ImportError as error:
        raise OperationError("looking for converters (pip install veilleur[convert])", "pySigma", retry_helps=False) from error
    return InstalledSigmaPlugins.autodiscover().backends


@dataclass(frozen=True, slots=True)
class Wish:
    """What rules are to become: ``pipeline``: which of ours names the fields, where several read the log source; ``lists``: what
    placeholders stand for."""

    target: str
    pipeline: str = ""
    output_format: str = "default"
    lists: Placeholders = field(default_factory=dict)


def convert(documents: Sequence[Document], pipelines: Pipelines, wish: Wish) -> Converted:
    """The documents (rules, and the correlations over them) as queries of the target.

    What cannot be converted is refused by rule, and the others are converted; a correlation and all that it is over are one.
    Raises OperationError for a target or a format that is not there.
    """
    target, output_format = wish.target, wish.output_format
    known = backends()
    if target not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise OperationError(f"choosing a converter (installed: {listed}; veilleur[convert] brings some)", target, retry_helps=False)
    if output_format not in known[target].formats:
        formats = ", ".join(known[target].formats)
        raise OperationError(f"choosing a format of {target} ({formats})", output_format, retry_helps=False)
    done: list[Converted] = []
    for group in _together(documents):
        try:
            done.append(_convert(group, pipelines, known[target], wish))
        except DataError as error:
            done.append(Converted((), (error,)))
    return Converted(tuple(query for one in done for query in one.queries), tuple(error for one in done for error in one.refused))


def _together(documents: Sequence[Document]) -> list[list[Document]]:
    """The documents in groups that refer to nothing outside, in their order."""
    by_name = {str(one.body[key]): at for at, one in enumerate(documents) for key in ("id", "name") if one.body.get(key)}
    group = list(range(len(documents)))
    for at, document in enumerate(documents):
        section = document.body.get("correlation")
        for reference in references_of(section) if isinstance(section, Mapping) else ():
            if (other := by_name.get(reference)) is not None and group[other] != group[at]:
                left, right = sorted((group[other], group[at]))
                group = [left if one == right else one for one in group]
    found: dict[int, list[Document]] = {}
    for at, document in enumerate(documents):
        found.setdefault(group[at], []).append(document)
    return list(found.values())


def _convert(documents: Sequence[Document], pipelines: Pipelines, backend_of: Any, wish: Wish) -> Converted:
    """Raises DataError where the pipeline has to be chosen, and for what pySigma does not read."""
    _refuse_zones(documents)
    sources = _sources(documents, pipelines, wish.pipeline)
    sections = [document.body.get("detection") for document in documents]
    asked = [name for section in sections if isinstance(section, Mapping) for one in section.values() for name in _asked(one) if name]
    from sigma.collection import SigmaCollection
    from sigma.exceptions import SigmaError

    spelled = spelled_out(documents, lambda document: _source_of(document, sources))
    text = yaml.safe_dump_all([body for body, _ in spelled], sort_keys=False, allow_unicode=True)
    try:
        rules = SigmaCollection.from_yaml(text)
    except SigmaError as error:
        raise _faulty(spelled).error_at(f"pySigma does not read it: {error}") from error
    processing = _processing(sources, pipelines, asked)
    processing.vars.update({name: list(values) for name, values in wish.lists.items()})
    return _converted(backend_of(processing_pipeline=processing, collect_errors=True), rules, spelled, wish.output_format)


def _refuse_zones(documents: Sequence[Document]) -> None:
    """Raises DataError for hours of another zone than UTC: a query would ask for others without a word."""
    for document in documents:
        try:
            zone = zone_of(document.body.get("veilleur"))
        except RuleMistake as mistake:
            raise document.error(mistake) from mistake
        if zone != UTC_ZONE and any(part.value in key.split("|") for key in _keys(document.body.get("detection")) for part in TimePart):
            raise document.error_at(f"its hours are those of {zone}, which a query of another system cannot say", "veilleur", "zone")


def _keys(section: object) -> Iterator[str]:
    """Every key of a section, of what it holds too."""
    if isinstance(section, Mapping):
        for key, inner in section.items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(section, list):
        for inner in section:
            yield from _keys(inner)


def _faulty(spelled: Sequence[Spelled]) -> Document:
    """The first document that pySigma does not read by itself, else the first of all."""
    from sigma.correlations import SigmaCorrelationRule
    from sigma.exceptions import SigmaError
    from sigma.rule import SigmaRule

    for body, document in spelled:
        try:
            (SigmaCorrelationRule if "correlation" in body else SigmaRule).from_dict(body)
        except SigmaError:
            return document
    return spelled[0][1]


def credits_of(documents: Sequence[Document]) -> list[Credit]:
    """Who wrote what is converted: a query is the rule still."""

    def said(document: Document, key: str, otherwise: str = "") -> str:
        return str(document.body.get(key) or otherwise)

    return [Credit(said(one, "id"), said(one, "title"), said(one, "author"), said(one, "license", one.folder.licence)) for one in documents]


def _converted(backend: Any, rules: Any, spelled: Sequence[Spelled], output_format: str) -> Converted:
    try:
        result = backend.convert(rules, output_format)
    except Exception as error:  # noqa: BLE001  # other people's code: whatever it trips over is a rule that it cannot express
        return Converted((), (spelled[0][1].error_at(_reason(error)),))
    queries = result if isinstance(result, list) else [result]
    by_id = {str(body.get("id", "")): document for body, document in spelled}
    refused = dict.fromkeys(by_id.get(str(rule.id), spelled[0][1]).error_at(_reason(error)) for rule, error in backend.errors)
    return Converted(tuple(query if isinstance(query, str) else _text(query) for query in queries), tuple(refused))


def _text(query: object) -> str:
    return query.decode() if isinstance(query, bytes) else json.dumps(query, ensure_ascii=False)


def _reason(error: Exception) -> str:
    said = str(error).strip() or type(error).__name__
    return f"the converter cannot express it: {said}"


def _sources(documents: Sequence[Document], pipelines: Pipelines, wanted: str) -> dict[tuple[str, str, str], LogSource]:
    """For each log source that a rule names, the one of ours that reads it."""
    chosen: dict[tuple[str, str, str], LogSource] = {}
    for document in documents:
        keys = _said(document)
        if keys is None:
            continue
        agreeing = [source for source in pipelines.sources if source.agrees(keys) and wanted in ("", source.pipeline)]
        names = list(dict.fromkeys(source.pipeline for source in agreeing))
        if len(names) > 1:
            raise document.error_at(f"several pipelines read this log source ({', '.join(names)}): choose one", "logsource")
        if wanted and not agreeing:
            raise document.error_at(f"the pipeline «{wanted}» does not read this log source", "logsource")
        if agreeing:
            chosen[_key(keys)] = agreeing[0]
    return chosen


def _said(document: Document) -> dict[str, str] | None:
    """What a rule says of its log source."""
    said = document.body.get("logsource")
    return {key: str(said[key]).lower() for key in _OF_SOURCE if said.get(key)} if isinstance(said, Mapping) else None


def _key(keys: Mapping[str, str]) -> tuple[str, str, str]:
    return (keys.get("product", ""), keys.get("category", ""), keys.get("service", ""))


def _source_of(document: Document, sources: Mapping[tuple[str, str, str], LogSource]) -> LogSource | None:
    keys = _said(document)
    return None if keys is None else sources.get(_key(keys))


def _asked(section: object) -> Iterator[str]:
    """The fields that a detection section speaks of, as the rule names them."""
    if isinstance(section, Mapping):
        for key, value in section.items():
            if isinstance(value, Mapping | list):
                yield from _asked(value)
            yield str(key).partition("|")[0]
    elif isinstance(section, list):
        for one in section:
            yield from _asked(one)


def _processing(sources: Mapping[tuple[str, str, str], LogSource], pipelines: Pipelines, asked: Sequence[str]) -> Any:
    """Our pipeline in pySigma's terms: what is selected is added to the condition, and fields take their names in the event.

    ``asked`` are the fields that rules speak of: those that no pipeline lists may be behind its prefix.
    """
    from sigma.processing.conditions import LogsourceCondition
    from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
    from sigma.processing.transformations import (
        AddConditionTransformation,
        FieldMappingTransformation,
        ValueListPlaceholderTransformation,
    )

    items: list[ProcessingItem] = [ProcessingItem(ValueListPlaceholderTransformation(), identifier="veilleur_lists")]
    for number, ((product, category, service), source) in enumerate(sources.items()):
        when = pipelines.written.get((source.pipeline, source.product, source.category, source.service), {})
        # A field that may be in several places is looked for in each of them: the backend joins them with OR.
        spoken = dict.fromkeys((*source.fields, *asked))
        names: dict[str | None, str | list[str]] = {
            name: found[0] if len(found) == 1 else list(found) for name in spoken if (found := source.event_names(name)) != (name,)
        }
        selected: dict[str, int | str | list[str]] = {name: list(values) for name, values in when.items()}
        steps = (
            (FieldMappingTransformation(names), AddConditionTransformation(selected)) if selected else (FieldMappingTransformation(names),)
        )
        for step in steps:
            # A condition belongs to one item.
            condition = LogsourceCondition(category=category or None, product=product or None, service=service or None)
            items.append(ProcessingItem(step, identifier=f"veilleur_{number}_{len(items)}", rule_conditions=[condition]))
    return ProcessingPipeline(name="veilleur", items=items)
