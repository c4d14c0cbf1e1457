"""What an establishment has registered about itself, so that nobody types it at night: read from a YAML file, by FINESS.

Shape: ``establishments: [{finess, raison_sociale, type, region_ars, adresse, statuts, declarant: {nom, …}, contact_dpo: {…}, …}]``.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from siem.errors import DataError
from siem.yaml_text import read_yaml


class Person(BaseModel):
    """A person of the establishment who may be named in a declaration: a professional contact, never a patient."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nom: str | None = None
    prenom: str | None = None
    fonction: str | None = None
    qualite: str | None = None
    courriel: str | None = None
    telephone: str | None = None


class Establishment(BaseModel):
    """One establishment. An absent item is unknown, not empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    finess: str
    raison_sociale: str
    finess_ej: str | None = None
    siret: str | None = None
    type: str | None = None
    statut_public_prive: str | None = None
    ght: str | None = None
    region_ars: str | None = None
    adresse: str | None = None
    statuts: list[str] | None = None
    declarant: Person = Person()
    contact_technique: Person = Person()
    contact_dpo: Person = Person()
    #: Service names of the watch → codes of ``incident.si_concernes``.
    services: dict[str, str] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    establishments: tuple[Establishment, ...]


def load_establishments(path: Path) -> Mapping[str, Establishment]:
    """Read the file. Raises DataError with the first fault."""
    data, _ = read_yaml(path)
    try:
        listed = _File.model_validate(data).establishments
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise DataError(str(path), 0, ".".join(map(str, fault["loc"])), fault["msg"]) from error
    by_finess = {entry.finess: entry for entry in listed}
    if len(by_finess) != len(listed):
        raise DataError(str(path), 0, "establishments", "a FINESS number is given twice")
    return by_finess
