"""sources.yaml: which logs the watch receives, what they are, and whose.

    - name: dossier-patient-nginx
      type: nginx
      file: /var/log/nginx/dossier-patient.access.log
      service: Dossier patient
      finess: 0B0000005
    - name: dossier-patient-acces
      type: fhir_audit_event
      http: true
      service: Dossier patient
      finess: 0B0000005
      structures: [0B0172805]

A relative ``file`` is looked for beside sources.yaml.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from siem.errors import DataError
from siem.sources.source import SourceSettings
from siem.yaml_text import node_of, read_yaml

#: A source's name is also the name of its index for shippers, hence Elasticsearch's rules for those.
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
_Finess = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9A-Z][0-9]{7}$")]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True)]


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

    @model_validator(mode="after")
    def _comes_from_somewhere(self) -> "_Entry":
        if (self.file is None) != self.http:
            raise ValueError("give either file: PATH or http: true")
        if self.type == "caep" and not self.http:
            raise ValueError("security events are taken at the door that verifies them: give http: true")
        return self


def load_sources(path: Path, types: Collection[str]) -> list[SourceSettings]:
    """The sources of the file, in its order; ``types`` are those that can be read (the names of SOURCES).

    Raises DataError naming the file, the line of the entry and the field.
    """
    content, text = read_yaml(path)
    if content is None:
        return []
    node = node_of(text)
    if not isinstance(content, list) or not isinstance(node, yaml.SequenceNode):
        raise DataError(str(path), 1, "", "a list of sources expected")
    lines = [child.start_mark.line + 1 for child in node.value]
    sources: list[SourceSettings] = []
    for line, entry in zip(lines, content, strict=True):
        source = _source(path, line, entry, types)
        if any(source.name == other.name for other in sources):
            raise DataError(str(path), line, "name", f"two sources are called {source.name}")
        sources.append(source)
    return sources


def _source(path: Path, line: int, entry: object, types: Collection[str]) -> SourceSettings:
    try:
        read = _Entry.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DataError(str(path), line, field, f"{first['msg']}, not {first['input']!r}" if field else str(first["msg"])) from None
    if read.type not in types:
        raise DataError(str(path), line, "type", f"one of {', '.join(sorted(types))} expected, not {read.type!r}")
    file = None if read.file is None else path.parent / read.file
    return SourceSettings(read.name, read.type, read.service, read.tenant, read.finess, file, read.http, read.structures)
