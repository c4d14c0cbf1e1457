"""What the desk checks in a declaration it is given, with every fault named: shape, content by its form, and that nobody is in it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from siem.declarations.filling import completeness, situation_of
from siem.declarations.form import Form
from siem.declarations.forms import Forms
from siem.declarations.model import Content, Phase
from siem.declarations.privacy import find_identifier
from siem.errors import DataError

#: Fields whose digits are a key of an establishment or a telephone, not a person's.
_NOT_TEXT: Final = ("siret", "finess_eg", "finess_ej", "telephone", "empreinte", "id", "ts")
_DEEPEST: Final = 32


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: the field, dotted (``structure.finess_eg``), and what was expected, in French."""

    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """A declaration that may be received."""

    declaration_id: str
    version_number: int
    phase: str
    finess: str
    structure_name: str
    region: str
    incident_type: str


class Unacceptable(Exception):
    """The declaration has faults, each named."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.problem}" for fault in faults))
        self.faults = faults


def load_schema(path: Path) -> Draft202012Validator:
    """The schema of declarations. Raises DataError."""
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
    except (OSError, ValueError) as error:
        raise DataError(str(path), getattr(error, "lineno", 0), "", f"cannot be read: {error}") from error
    except SchemaError as error:
        raise DataError(str(path), 0, error.json_path, error.message) from error
    return Draft202012Validator(schema)


def inspect(body: bytes, schema: Draft202012Validator, forms: Forms) -> Inspected:
    """Read and check a declaration. Raises Unacceptable with every fault found."""
    document = _parse(body)
    faults = sorted(
        {Fault(_dotted(error.json_path), _message(error)) for error in schema.iter_errors(document)}, key=lambda f: (f.field, f.problem)
    )
    if faults:
        raise Unacceptable(tuple(faults))
    faults = [*_people(document), *_by_form(document, forms)]
    if faults:
        raise Unacceptable(tuple(faults))
    structure = document["structure"]
    return Inspected(
        declaration_id=document["id"],
        version_number=document["numero_version"],
        phase=document["phase"],
        finess=structure["finess_eg"],
        structure_name=structure["raison_sociale"],
        region=structure["region_ars"],
        incident_type=document["origine"].get("type_incident", ""),
    )


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Unacceptable((Fault("", f"JSON en UTF-8 attendu : {error}"),)) from error
    if not isinstance(document, dict):
        raise Unacceptable((Fault("", "un objet JSON est attendu"),))
    return document


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may take a different one of two equal keys: refuse them."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("une clé est donnée deux fois")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} n’est pas du JSON")


def _dotted(json_path: str) -> str:
    return json_path.removeprefix("$").removeprefix(".")


_SAID: Final[Mapping[str, str]] = {
    "required": "champ obligatoire absent",
    "additionalProperties": "champ inconnu du format",
    "unevaluatedProperties": "champ inconnu du format",
    "enum": "valeur hors de la liste attendue",
    "const": "autre valeur attendue",
    "pattern": "forme inattendue",
    "type": "autre type attendu",
    "format": "forme inattendue",
}


def _message(error: Any) -> str:
    said = _SAID.get(error.validator, "valeur refusée")
    detail = error.message if len(error.message) < 200 else error.message[:200] + "…"
    return f"{said} ({detail})"


def _people(document: Mapping[str, Any]) -> Iterator[Fault]:
    for place, text in _texts(document, "", 0):
        found = find_identifier(text) if place.rpartition(".")[2] not in _NOT_TEXT else None
        if found:
            yield Fault(place, f"semble contenir un identifiant de personne ({found})")


def _texts(node: Any, place: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        return
    if isinstance(node, str):
        yield place, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _texts(value, f"{place}.{key}" if place else key, depth + 1)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, f"{place}[{index}]", depth + 1)


def _by_form(document: Mapping[str, Any], forms: Forms) -> Iterator[Fault]:
    """What the form says of its fields: mandatory at this phase, values of the lists, keys of identifiers."""
    named = document["formulaire"]
    form = next((form for form in forms.forms if form.form == named["id"] and form.version == named["version"]), None)
    if form is None:
        yield Fault("formulaire", f"formulaire {named['id']} version {named['version']} inconnu de ce guichet")
        return
    if form.filing != "desk":
        yield Fault("formulaire", f"le formulaire {named['id']} ne se dépose pas à un guichet")
        return
    content = content_of(document, form)
    situation = situation_of(content, document["criteres"])
    for error in completeness(form, content, Phase(document["phase"]), situation).missing:
        yield Fault(error.key, error.problem)


def content_of(document: Mapping[str, Any], form: Form) -> Content:
    """The fields of a document, by key."""
    others = {line["regime"]: line["mention"] for line in document["autres_declarations"]}
    values: dict[str, Any] = {}
    for _, entry in form.fields():
        block, _, name = entry.key.partition(".")
        value = others.get(name) if block == "autres_declarations" else _reach(document, entry.key)
        if value is not None:
            values[entry.key] = value
    return Content(values=values, unknown=frozenset(document["champs_inconnus"]))


def _reach(document: Mapping[str, Any], key: str) -> Any:
    place: Any = document
    for part in key.split("."):
        place = place.get(part) if isinstance(place, dict) else None
    return place
