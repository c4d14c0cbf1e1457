"""Rich authorization requests (RFC 9396): what exactly a service asks to do, by types that the operator describes as data.

A type is a name, a JSON schema, and a sentence in each language of the screens: what a person is shown is written by the operator,
never by the service. Shape of the file: ``types: [{type, schema, sentence: {fr, en}, words: {fr: {value: word}, en: …}}]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any, Final

import orjson

from idp.errors import InvalidAuthorizationDetails, OperationError
from idp.yaml_file import read_yaml

LANGUAGES: Final = ("fr", "en")
#: Most objects of one request, and longest value shown on a screen.
_MAX_COUNT: Final = 10
_MAX_SHOWN: Final = 80

#: One element of ``authorization_details``, as it was asked and is given.
Detail = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DetailType:
    """What one type may hold, and how a person reads it."""

    name: str
    schema: Mapping[str, Any]
    sentence: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def fault(self, detail: Detail) -> str | None:
        """Where it does not fit the schema and by which keyword; never its values, which are not ours to repeat."""
        # Imported when first needed: most providers have no types.
        from jsonschema import Draft202012Validator
        from referencing import Registry

        # An empty registry: no schema is ever fetched.
        error = next(iter(Draft202012Validator(dict(self.schema), registry=Registry()).iter_errors(dict(detail))), None)
        return f"{'.'.join(map(str, error.path)) or 'the object'} ({error.validator})" if error else None

    def read_out(self, detail: Detail, language: str) -> str:
        """The sentence with the detail's values, each by its word where it has one."""
        words = self.words.get(language, {})
        return self.sentence[language].format_map({name: _shown(value, words) for name, value in detail.items()})


class DetailTypes:
    """The types that this provider knows; without a file there are none."""

    def __init__(self, types: Sequence[DetailType] = ()) -> None:
        self._types = {one.name: one for one in types}

    @property
    def names(self) -> list[str]:
        """In the order of the file; discovery lists them from here."""
        return list(self._types)

    def check(self, text: str, allowed: Sequence[str]) -> tuple[Detail, ...]:
        """What ``authorization_details`` asks (§2, §5), within the types of the client; raises :class:`InvalidAuthorizationDetails`."""
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise InvalidAuthorizationDetails("authorization_details must be a JSON array of objects") from error
        if not isinstance(document, list) or not 0 < len(document) <= _MAX_COUNT or not all(isinstance(one, dict) for one in document):
            raise InvalidAuthorizationDetails(f"authorization_details must be a JSON array of 1 to {_MAX_COUNT} objects")
        for number, detail in enumerate(document):
            name = detail.get("type")
            known = self._types.get(name) if isinstance(name, str) else None
            if known is None:
                offered = ", ".join(self._types) or "none"
                raise InvalidAuthorizationDetails(f"authorization_details.{number}.type is not one of those offered here: {offered}")
            if name not in allowed:
                raise InvalidAuthorizationDetails(f"authorization_details.{number}: this client is not registered for the type {name}")
            if fault := known.fault(detail):
                raise InvalidAuthorizationDetails(f"authorization_details.{number}: does not fit the schema of {name} at {fault}")
        return tuple(document)

    def read_out(self, details: Sequence[Detail], language: str) -> list[str]:
        """What a person reads; a type that is gone meanwhile is told by its name."""
        return [
            known.read_out(detail, language) if (known := self._types.get(str(detail.get("type")))) else _shown(detail.get("type"), {})
            for detail in details
        ]


def narrowed(granted: Sequence[Detail], asked: str | None) -> tuple[Detail, ...]:
    """The part of what was granted that a token request names (§6), each object as it was granted; all of it without a name."""
    if asked is None:
        return tuple(granted)
    try:
        wanted = orjson.loads(asked)
    except orjson.JSONDecodeError as error:
        raise InvalidAuthorizationDetails("authorization_details must be a JSON array of objects") from error
    if not isinstance(wanted, list) or not wanted or any(one not in granted for one in wanted):
        raise InvalidAuthorizationDetails("authorization_details must hold objects that were granted, unchanged")
    return tuple(wanted)


def read_detail_types(path: Path | None) -> DetailTypes:
    """Those of the file, none without one; raises :class:`OperationError` naming the file, the type and what is wrong with it."""
    if path is None:
        return DetailTypes()
    try:
        document = read_yaml(path)
        return DetailTypes([_read_type(entry) for entry in document["types"]])
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise OperationError(f"reading the types of authorization details ({error})", str(path), retry_helps=False) from error


def _read_type(entry: Mapping[str, Any]) -> DetailType:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    made = DetailType(entry["type"], entry["schema"], entry["sentence"], entry.get("words", {}))
    try:
        Draft202012Validator.check_schema(dict(made.schema))
    except SchemaError as error:
        raise ValueError(f"type {made.name}: the schema is none: {error.message}") from error
    if made.schema.get("additionalProperties") is not False:
        raise ValueError(f"type {made.name}: the schema must say additionalProperties: false; what nobody described is shown to nobody")
    for language in LANGUAGES:
        places = {place for _, place, _, _ in Formatter().parse(made.sentence[language]) if place is not None}
        if missing := places - set(made.schema.get("required", ())):
            raise ValueError(f"type {made.name}: the {language} sentence has {{{min(missing)}}}, which the schema does not require")
    return made


def _shown(value: object, words: Mapping[str, str]) -> str:
    """Text for a screen: lists joined, words for values, nothing that cannot be seen, and not too long."""
    if isinstance(value, list):
        return ", ".join(_shown(one, words) for one in value)
    text = words.get(str(value), str(value))
    return "".join(letter for letter in text if letter.isprintable())[:_MAX_SHOWN]
