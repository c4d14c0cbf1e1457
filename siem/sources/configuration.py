"""sources.yaml: which logs the watch receives, what they are, and whose.

    - name: dossier-patient-nginx
      type: nginx
      file: /var/log/nginx/dossier-patient.access.log
      service: Dossier patient
      finess: 0B0000005
      silent_after: 2h          # without a word; by default as SIEM_SOURCE_SILENCE_SECONDS says
    - name: dossier-patient-acces
      type: fhir_audit_event
      http: true
      service: Dossier patient
      finess: 0B0000005
      structures: [0B0172805]

A relative ``file`` is looked for beside sources.yaml.
"""

import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from siem.errors import DataError
from siem.sources.source import SILENT_AFTER, SourceSettings
from siem.yaml_text import node_of, read_yaml

#: A source's name is also the name of its index for shippers, hence Elasticsearch's rules for those.
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
_Finess = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9A-Z][0-9]{7}$")]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True)]


_DURATION: Final = re.compile(r"([0-9]{1,5})([mhd])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LONGEST_SILENCE: Final = timedelta(days=366)


def _duration(value: object) -> timedelta:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    span = int(found[1]) * _UNITS[found[2]] if found else timedelta(0)
    if not timedelta(0) < span <= _LONGEST_SILENCE:
        raise ValueError("a number and a unit (m, h, d) are expected, such as 90m, a year at most")
    return span


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Name
    type: str
    service: _Text
    tenant: _Name = "default"
    finess: _Finess | None = None
    structures: frozenset[_Finess] = frozenset()
    file: Path | None = Field(default=None)
    http: bool = False
    silent_after: Annotated[timedelta | None, BeforeValidator(_duration)] = None

    @model_validator(mode="after")
    def _comes_from_somewhere(self) -> "_Entry":
        if (self.file is None) != self.http:
            raise ValueError("give either file: PATH or http: true")
        if self.type == "caep" and not self.http:
            raise ValueError("security events are taken at the door that verifies them: give http: true")
        return self


def load_sources(path: Path, types: Collection[str], *, silent_after: timedelta = SILENT_AFTER) -> list[SourceSettings]:
    """The sources of the file, in its order; ``types`` are those that can be read (the names of SOURCES).

    ``silent_after`` holds for those that do not say. Raises DataError naming the file, the line of the entry and the field.
    """
    sources, wrong = read_sources(path, types, silent_after=silent_after)
    if wrong:
        raise wrong[0]
    return sources


def read_sources(
    path: Path, types: Collection[str], *, silent_after: timedelta = SILENT_AFTER
) -> tuple[list[SourceSettings], list[DataError]]:
    """The same, with everything that is wrong with the entries; the others are returned. Raises DataError for a file that is no list."""
    content, text = read_yaml(path)
    if content is None:
        return [], []
    node = node_of(text)
    if not isinstance(content, list) or not isinstance(node, yaml.SequenceNode):
        raise DataError(str(path), 1, "", "a list of sources expected")
    sources: dict[str, SourceSettings] = {}
    wrong: list[DataError] = []
    for child, entry in zip(node.value, content, strict=True):
        line = child.start_mark.line + 1
        try:
            read = _read(path, line, entry, types)
        except DataError as error:
            wrong.append(error)
            continue
        if read.name in sources:
            wrong.append(DataError(str(path), line, "name", f"two sources are called {read.name}"))
            continue
        sources[read.name] = _settings(path, read, silent_after)
    return list(sources.values()), wrong


def unreadable_files(path: Path, sources: Sequence[SourceSettings]) -> list[DataError]:
    """Logs that cannot be followed as things are: their folder is not there, or they may not be read."""
    wrong = []
    for source in sources:
        if source.file is None:
            continue
        try:
            if source.file.exists():
                with source.file.open("rb"):
                    continue
            problem = "" if source.file.parent.is_dir() else f"the folder {source.file.parent} is not there"
        except OSError as error:
            problem = f"{source.file} cannot be read: {error.strerror}"
        if problem:
            wrong.append(DataError(str(path), 0, "file", f"{problem} (source {source.name})"))
    return wrong


def _read(path: Path, line: int, entry: object, types: Collection[str]) -> _Entry:
    try:
        read = _Entry.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        problem = str(first["msg"]).removeprefix("Value error, ")
        raise DataError(str(path), line, field, f"{problem}, not {first['input']!r}" if field else problem) from None
    if read.type not in types:
        raise DataError(str(path), line, "type", f"one of {', '.join(sorted(types))} expected, not {read.type!r}")
    return read


def _settings(path: Path, read: _Entry, silent_after: timedelta) -> SourceSettings:
    return SourceSettings(
        name=read.name,
        type=read.type,
        service=read.service,
        tenant=read.tenant,
        finess=read.finess,
        file=None if read.file is None else path.parent / read.file,
        http=read.http,
        structures=read.structures,
        silent_after=read.silent_after or silent_after,
    )
