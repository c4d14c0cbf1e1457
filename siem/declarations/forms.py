"""Reading the forms and the directory: every fault is kept with its file, line and field, and never stops the other files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from siem.declarations.facts import FACTS
from siem.declarations.form import Evidence, Form, FormField, Name, Section, Words
from siem.errors import DataError
from siem.yaml_text import node_of, read_yaml

Shape = TypeVar("Shape", bound=BaseModel)


class DirectoryLine(BaseModel):
    """One way to reach an authority, valid from a day to another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Name
    name: Words
    channel: str
    value: str
    note: Words
    source: str
    evidence: Evidence
    valid_from: date
    valid_until: date | None


class _Directory(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    directory: str
    version: str
    contacts: tuple[DirectoryLine, ...]


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms that loaded, in the order they are shown, the directory, and what did not load."""

    forms: tuple[Form, ...]
    contacts: tuple[DirectoryLine, ...]
    errors: tuple[DataError, ...]

    def in_force(self, on: date) -> tuple[Form, ...]:
        """The version of each form to use on that day."""
        return tuple(form for form in self.forms if form.in_force(on))

    def reach(self, form: Form, on: date) -> tuple[DirectoryLine, ...]:
        """How to reach the form's recipients on that day."""
        by_id = {line.id: line for line in self.contacts if line.valid_from <= on and (line.valid_until is None or on < line.valid_until)}
        return tuple(by_id[name] for name in form.recipients if name in by_id)


def load_forms(folder: Path) -> Forms:
    """Read ``<folder>/*.yaml`` and ``<folder>/directory/*.yaml``."""
    errors: list[DataError] = []
    files = [_read(path, errors) for path in sorted(folder.glob("*.yaml"))]
    raw = [file for file in files if file is not None]
    if not files:
        errors.append(DataError(str(folder), 0, "", "no form of declaration found: files *.yaml are expected"))
    definitions = {
        (str(file.data.get("form")), str(entry.get("key"))): entry
        for file in raw
        for entry in _raw_fields(file.data)
        if "same_as" not in entry
    }
    forms = [form for file in raw if (form := _build(file, definitions, errors)) is not None]
    contacts: list[DirectoryLine] = []
    for path in sorted((folder / "directory").glob("*.yaml")):
        file = _read(path, errors)
        directory = _validated(_Directory, file.data, file, errors) if file else None
        contacts.extend(directory.contacts if directory else ())
    forms.sort(key=lambda form: (form.order, form.valid_from))
    _check_together(forms, contacts, {str(file.data.get("form")): file.path for file in raw}, errors)
    return Forms(tuple(forms), tuple(contacts), tuple(errors))


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    data: dict[str, Any]
    lines: Mapping[tuple[str | int, ...], int]

    def line(self, location: tuple[str | int, ...]) -> int:
        """The line of that place in the file, or of the nearest thing around it that is written there."""
        for length in range(len(location), 0, -1):
            if location[:length] in self.lines:
                return self.lines[location[:length]]
        return 1


def _read(path: Path, errors: list[DataError]) -> _File | None:
    try:
        data, text = read_yaml(path)
    except DataError as error:
        errors.append(error)
        return None
    if not isinstance(data, dict):
        errors.append(DataError(str(path), 1, "", "a mapping is expected"))
        return None
    node = node_of(text)
    return _File(str(path), data, dict(_lines(node)) if node is not None else {})


def _lines(node: yaml.Node, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*place, str(key.value)), key.start_mark.line + 1
            yield from _lines(value, (*place, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _lines(item, (*place, index))


def _raw_fields(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    sections = data.get("sections")
    for section in sections if isinstance(sections, list) else []:
        fields = section.get("fields") if isinstance(section, dict) else None
        yield from (entry for entry in (fields if isinstance(fields, list) else []) if isinstance(entry, dict))


def _build(file: _File, definitions: Mapping[tuple[str, str], dict[str, Any]], errors: list[DataError]) -> Form | None:
    before = len(errors)
    data = dict(file.data)
    lists = data.pop("lists", None) or {}
    listed = data.get("sections") or []
    if not isinstance(lists, dict) or not isinstance(listed, list):
        field = "sections" if isinstance(lists, dict) else "lists"
        errors.append(DataError(file.path, file.line((field,)), field, "lists is a mapping, sections a list"))
        return None
    sections: list[Any] = []
    for s_index, section in enumerate(listed):
        if not isinstance(section, dict) or not isinstance(section.get("fields"), list):
            errors.append(
                DataError(file.path, file.line(("sections", s_index)), f"sections.{s_index}", "a section with fields is expected")
            )
            continue
        fields = [
            _resolve(entry, lists, definitions, file, ("sections", s_index, "fields", f_index), errors)
            for f_index, entry in enumerate(section["fields"])
        ]
        sections.append({**section, "fields": fields})
    if len(errors) > before:
        return None
    form = _validated(Form, {**data, "sections": sections}, file, errors)
    if form is not None:
        _check_facts(form, file, errors)
    return form if len(errors) == before else None


def _resolve(
    entry: Any,
    lists: Mapping[str, Any],
    definitions: Mapping[tuple[str, str], dict[str, Any]],
    file: _File,
    place: tuple[str | int, ...],
    errors: list[DataError],
) -> dict[str, Any]:
    """A field with its shared definition and its named list put in."""
    if not isinstance(entry, dict):
        errors.append(DataError(file.path, file.line(place), _dotted(place), "a field is a mapping with key, label, type …"))
        return {}
    resolved = dict(entry)
    if "same_as" in resolved:
        other = resolved["same_as"]
        definition = definitions.get((str(other), str(resolved.get("key"))))
        if definition is None or set(resolved) != {"key", "same_as"}:
            problem = f"form {other!r} defines no such field" if definition is None else "a shared field has key and same_as only"
            errors.append(DataError(file.path, file.line(place), str(resolved.get("key")), problem))
            return {}
        resolved = {**definition, "shared_with": other}
    values = resolved.get("values")
    if isinstance(values, str):
        named = lists.get(values.removeprefix("$")) if values.startswith("$") else None
        if named is None:
            errors.append(DataError(file.path, file.line(place), str(resolved.get("key")), f"no list {values!r} in lists"))
        resolved["values"] = named or []
    return resolved


def _validated(shape: type[Shape], data: Mapping[str, Any], file: _File, errors: list[DataError]) -> Shape | None:
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            place = tuple(part for part in fault["loc"] if part not in ("function-before", "function-after"))
            errors.append(DataError(file.path, file.line(place), _dotted(place), fault["msg"].removeprefix("Value error, ")))
        return None


def _dotted(place: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in place)


def _check_facts(form: Form, file: _File, errors: list[DataError]) -> None:
    for s_index, section in enumerate(form.sections):
        for f_index, entry in enumerate(section.fields):
            if entry.fact is not None and entry.fact not in FACTS and entry.shared_with is None:
                place = ("sections", s_index, "fields", f_index, "fact")
                errors.append(DataError(file.path, file.line(place), entry.key, f"no such fact: {entry.fact}"))


def _check_together(forms: list[Form], contacts: list[DirectoryLine], paths: Mapping[str, str], errors: list[DataError]) -> None:
    """What only shows across files: one meaning per key, conditions on known fields, recipients in the directory, no overlap in time."""
    known: dict[str, FormField] = {}
    for form in forms:
        for _, entry in form.fields():
            first = known.setdefault(entry.key, entry)
            if entry.shared_with is None and first is not entry and not _other_version(forms, form, entry.key):
                errors.append(DataError(paths[form.form], 0, entry.key, "defined in two forms: the later one must say same_as"))
    ids = {line.id for line in contacts}
    for form in forms:
        for name in sorted(_read_by_conditions(form) - known.keys()):
            errors.append(DataError(paths[form.form], 0, name, "a condition reads this field, which no form defines"))
        for name in (name for name in form.recipients if name not in ids):
            errors.append(DataError(paths[form.form], 0, "recipients", f"{name} is not in the directory"))
        if any(other is not form and other.form == form.form and other.in_force(form.valid_from) for other in forms):
            errors.append(DataError(paths[form.form], 0, "valid_from", f"two versions of {form.form} are in force on {form.valid_from}"))


def _read_by_conditions(form: Form) -> frozenset[str]:
    """Every field that a condition of the form reads."""
    conditions = [form.applies, *(rule.when for rule in form.deadlines if rule.when)]
    for _, entry in form.fields():
        conditions += [rule.when for rule in entry.suggest] + ([entry.mandatory_if.when] if entry.mandatory_if else [])
    return frozenset[str]().union(*(condition.fields() for condition in conditions))


def _other_version(forms: list[Form], form: Form, key: str) -> bool:
    return any(other.form == form.form and other is not form and any(entry.key == key for _, entry in other.fields()) for other in forms)


def sections_of(forms: tuple[Form, ...]) -> Mapping[str, tuple[Form, Section]]:
    """Every section by its full name, ``<form>.<section>``."""
    return {f"{form.form}.{section.id}": (form, section) for form in forms for section in form.sections}
