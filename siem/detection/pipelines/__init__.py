"""Processing pipelines: what joins a rule, written for everybody, to the events of one kind of source.

A pipeline is a YAML file: which events its log sources select (``when``), what their fields are called (``fields``, ``prefix``), and
what an alert is about (``subject``). It holds for rules, filters and correlations alike. The files beside this one are the product's;
a folder of the operator's may add others, or replace one by its name. ``schema.json`` describes them to editors.

    name: windows_audit
    title: Process creation as the Security log tells it
    fields:
      Image: NewProcessName
      ParentImage: ParentProcessName
    subject: host.name
    logsources:
      - product: windows
        category: process_creation
        when: {Channel: Security, EventID: 4688}
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from siem.detection.casing import without_case
from siem.detection.documents import Document, read_documents
from siem.detection.folders import RuleFolder
from siem.detection.logsource import LogSource
from siem.detection.predicates import text_of
from siem.detection.selections import RuleMistake
from siem.errors import DataError
from siem.event import FIELDS

_PRODUCT: Final = Path(__file__).parent
#: Within the state of the watch: the operator's own pipelines.
OWN: Final = "local-pipelines"


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


_Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Names = Annotated[list[_Name], BeforeValidator(_listed), Field(min_length=1, max_length=8)]
_Values = Annotated[list[str | int], BeforeValidator(_listed), Field(min_length=1)]
_When = dict[_Name, _Values]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, title="Log source")

    product: _Word | None = None
    category: _Word | None = None
    service: _Word | None = None
    when: _When = Field(default={}, description="field of the event → the values (without case) that its events have there")
    categories: dict[_Word, _When] = Field(default={}, description="categories, each with what it selects besides")
    services: dict[_Word, _When] = Field(default={}, description="services, each with what it selects besides")
    fields: dict[_Name, _Names] = Field(default={}, description="as those of the pipeline, for these log sources")
    subject: _Name | None = None

    @model_validator(mode="after")
    def _once(self) -> "_Part":
        if (self.category and self.categories) or (self.service and self.services) or (self.categories and self.services):
            raise ValueError("give one of category, categories; one of service, services; and not both lists")
        if not (self.product or self.category or self.service or self.categories or self.services):
            raise ValueError("a product, a category or a service is expected")
        return self


class Pipeline(BaseModel):
    """A pipeline as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Word = Field(description="unique; the same name replaces a pipeline of the product")
    title: _Name = Field(description="what it is for, on one line")
    description: str = ""
    fields: dict[_Name, _Names] = Field(default={}, description="a rule's name of a field → the event's, or several, the likeliest first")
    prefix: str = Field(
        "", max_length=100, description="where fields with names of other systems are: a name without a dot is looked for here too"
    )
    known: list[_Name] | Literal["event"] = Field(
        default=[],
        description="fields that these events may carry; «event»: those of the event table. A list only tells what is no surprise",
    )
    closed: bool = Field(False, description="refuse rules that speak of a field which is not known")
    subject: _Name | None = Field(None, description="field that an alert is about, unless the rule says")
    types: list[_Word] = Field(default=[], description="types of sources (of sources.yaml) that give such events; none: any may")
    like: _Word | None = Field(None, description="has the log sources of that pipeline, selected by the names of this one")
    logsources: list[_Part] = Field(default=[])

    @property
    def names(self) -> frozenset[str]:
        """Every field of an event that it speaks of."""
        known = FIELDS if self.known == "event" else self.known
        parts = [self.fields, *(part.fields for part in self.logsources)]
        selected = [when for part in self.logsources for when in (part.when, *part.categories.values(), *part.services.values())]
        mapped = (name for fields in parts for names in fields.values() for name in names)
        prefixed = (self.prefix + name for name in self.fields) if self.prefix else ()
        return frozenset(known).union(mapped, prefixed, *selected)


@dataclass(frozen=True, slots=True)
class Pipelines:
    """What the files give: ``sources`` for rules to read, ``names`` of the fields spoken of, and what is wrong with the other files."""

    sources: tuple[LogSource, ...]
    names: frozenset[str]
    errors: tuple[DataError, ...] = ()
    #: By pipeline, the types of sources that give its events.
    types: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: By pipeline, the names that a rule may use for what its events are documented to carry; nothing where that is not said.
    documented: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: What each log source selects, in the case in which it is written: for systems that compare with it.
    written: Mapping[tuple[str, str, str, str], Mapping[str, Sequence[str]]] = field(default_factory=dict)

    def fed_by(self, types: Collection[str]) -> tuple[LogSource, ...]:
        """All log sources, marked by whether a source of one of these types gives their events: a watch need not look for others."""
        return tuple(
            replace(source, fed=not (own := self.types.get(source.pipeline)) or any(one in types for one in own)) for source in self.sources
        )

    def of(self, *pipelines: str) -> tuple[LogSource, ...]:
        """The log sources of these pipelines alone."""
        return tuple(source for source in self.sources if source.pipeline in pipelines)


@cache
def product_pipelines() -> Pipelines:
    """The pipelines of the product."""
    return _read([RuleFolder(_PRODUCT)])


def load_pipelines(*folders: Path) -> Pipelines:
    """The product's pipelines, and those in the folders (one that is not there is empty); the last of a name holds."""
    present = [RuleFolder(folder, folder.name) for folder in folders if folder.is_dir()]
    return _read([RuleFolder(_PRODUCT), *present]) if present else product_pipelines()


def _read(folders: Sequence[RuleFolder]) -> Pipelines:
    found: dict[str, tuple[Pipeline, Document]] = {}
    errors: list[DataError] = []
    for folder in folders:
        for path in sorted(folder.path.glob("*.yml")):
            documents, wrong = read_documents(path, folder)
            errors.extend(wrong)
            for document in documents:
                try:
                    one = Pipeline.model_validate(document.body)
                except ValidationError as fault:
                    errors.extend(document.error(_mistake(error)) for error in fault.errors(include_url=False)[:5])
                else:
                    found[one.name] = (one, document)
    sources: list[LogSource] = []
    for pipeline, document in found.values():
        try:
            sources.extend(_sources(pipeline, {name: one for name, (one, _) in found.items()}))
        except RuleMistake as mistake:
            errors.append(document.error(mistake))
    names = frozenset(FIELDS).union(*(one.names for one, _ in found.values()))
    types = {name: one.types for name, (one, _) in found.items()}
    written = _as_written(found.values())
    return Pipelines(tuple(sources), names, tuple(errors), types, _documented({name: one for name, (one, _) in found.items()}), written)


def _documented(found: Mapping[str, Pipeline]) -> dict[str, frozenset[str]]:
    """A pipeline that is like another documents what that one does."""
    documented: dict[str, frozenset[str]] = {}
    for name, one in found.items():
        model = found.get(one.like or "", one)
        known = {each for part in (one, model) if part.known != "event" for each in part.known}
        if known:
            spoken = {
                each for part in (one, model) for fields in (part.fields, *(inner.fields for inner in part.logsources)) for each in fields
            }
            prefixed = {one.prefix + each for each in known} if one.prefix else set()
            documented[name] = frozenset(FIELDS).union(known, spoken, prefixed, one.names, model.names)
    return documented


def _as_written(found: Iterable[tuple[Pipeline, Document]]) -> dict[tuple[str, str, str, str], Mapping[str, Sequence[str]]]:
    by_name = {pipeline.name: pipeline for pipeline, _ in found}
    written: dict[tuple[str, str, str, str], Mapping[str, Sequence[str]]] = {}
    for pipeline in by_name.values():
        model = by_name.get(pipeline.like or "", pipeline)
        for part in (*model.logsources, *(pipeline.logsources if model is not pipeline else ())):
            fields = pipeline.fields | part.fields
            for category, service, when in _expanded(part):
                selected = {fields.get(name, [name])[0]: [text_of(value) for value in values] for name, values in when.items()}
                written[pipeline.name, part.product or "", category, service] = selected
    return written


def _mistake(fault: Mapping[str, Any]) -> RuleMistake:
    """A fault of the schema, in words and with its place."""
    problem = str(fault["msg"]).removeprefix("Value error, ")
    return RuleMistake(problem[:1].lower() + problem[1:], *(str(part) for part in fault["loc"]))


def _sources(pipeline: Pipeline, others: Mapping[str, Pipeline]) -> Iterator[LogSource]:
    parts: Sequence[_Part] = pipeline.logsources
    if pipeline.like is not None:
        if pipeline.like not in others or others[pipeline.like].like is not None:
            raise RuleMistake(f"no pipeline with log sources of its own is called «{pipeline.like}»", "like")
        parts = (*others[pipeline.like].logsources, *parts)
    if not parts:
        raise RuleMistake("a list of log sources is expected", "logsources")
    known = frozenset(FIELDS if pipeline.known == "event" else pipeline.known) if pipeline.closed else frozenset[str]()
    for part in parts:
        fields = {name: tuple(names) for name, names in (pipeline.fields | part.fields).items()}
        for category, service, when in _expanded(part):
            select = {
                fields.get(name, (name,))[0]: frozenset(without_case(text_of(value)) for value in values) for name, values in when.items()
            }
            yield LogSource(
                part.product or "",
                category,
                service,
                select,
                fields,
                part.subject or pipeline.subject or "",
                known,
                pipeline.prefix,
                pipeline.name,
                frozenset(pipeline.types),
            )


def _expanded(part: _Part) -> Iterator[tuple[str, str, _When]]:
    """Category, service and what is selected, for each log source of an entry."""
    category, service = part.category or "", part.service or ""
    if part.categories:
        yield from ((one, service, part.when | when) for one, when in part.categories.items())
    elif part.services:
        yield from ((category, one, part.when | when) for one, when in part.services.items())
    else:
        yield category, service, part.when
