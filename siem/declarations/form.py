"""What a form of declaration is, once loaded: its law, its deadlines, its sections and fields.

The shapes below are those of the files in ``playbooks/declarations``; :mod:`siem.declarations.forms` reads and checks them.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from siem.declarations.conditions import Condition
from siem.declarations.durations import Offset, parse_offset
from siem.declarations.model import Origin, Phase
from siem.declarations.wording import french

FieldType = Literal[
    "text", "long_text", "integer", "boolean", "choice", "choices", "instant", "day", "email", "phone", "finess", "siret", "lines", "rows"
]
#: L law or official page · S secondary · D derived from statistics · R recollection · P ours · O CNIL open data · M the MADIS register.
Evidence = Literal["L", "S", "D", "R", "P", "O", "M"]
Key = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+){1,3}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
Duration = Annotated[Offset, BeforeValidator(parse_offset)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)


class Words(_Shape):
    """A text in both languages."""

    fr: str
    en: str

    def text(self, language: str) -> str:
        """The text in that language (French unless ``en``), with French spacing."""
        return self.en if language == "en" else french(self.fr)


class Option(Words):
    """One answer of a list: its stored code, its words, and its RSIT tag where it has one."""

    code: str
    rsit: str | None = None


class Column(_Shape):
    """One column of a ``rows`` field."""

    key: Name
    type: Literal["text", "choice", "instant"]
    codes: tuple[str, ...] = ()
    optional: bool = False


class SuggestionRule(_Shape):
    """A value to propose (never stored by itself) when a condition holds."""

    when: Condition
    value: str | tuple[str, ...]
    reason: Words


class MandatoryIf(_Shape):
    """Mandatory from these phases on when a condition holds for certain."""

    phases: tuple[Phase, ...]
    when: Condition


class FormField(_Shape):
    """One field. ``unknown``: may be said to be unknown. ``origin`` and ``fact``: where its value comes from and which fact fills it."""

    key: Key
    label: Words
    help: Words | None = None
    type: FieldType
    values: tuple[Option, ...] = ()
    columns: tuple[Column, ...] = ()
    exclusive: tuple[str, ...] = ()
    mandatory: tuple[Phase, ...] = ()
    mandatory_if: MandatoryIf | None = None
    unknown: bool = False
    origin: Origin = Field(alias="from")
    fact: str | None = None
    evidence: Evidence
    max_length: Annotated[int, Field(gt=0, le=20_000)] | None = None
    suggest: tuple[SuggestionRule, ...] = ()
    shared_with: str | None = None

    @model_validator(mode="after")
    def _coherent(self) -> "FormField":
        if (self.type in ("choice", "choices")) != bool(self.values):
            raise ValueError(f"values are expected for choice and choices, and only there (type is {self.type})")
        if (self.type == "rows") != bool(self.columns):
            raise ValueError(f"columns are expected for rows, and only there (type is {self.type})")
        codes = [option.code for option in self.values]
        if len(set(codes)) != len(codes):
            raise ValueError("a code is given twice in values")
        wrong = [code for rule in self.suggest for code in _codes(rule.value) if code not in codes] + [
            c for c in self.exclusive if c not in codes
        ]
        if wrong:
            raise ValueError(f"no such code in values: {', '.join(wrong)}")
        return self

    def option(self, code: str) -> Option | None:
        """The option of that code."""
        return next((option for option in self.values if option.code == code), None)


def _codes(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


class DeadlineRule(_Shape):
    """One clock. ``trigger``: aware_at, detected_at, qualified_at, resolved_at or ``sent:<rule>``.

    ``force``: ``legal`` (binding), ``directive`` (European text not yet in French law), ``target`` (our own, where the law says ``word``).
    """

    id: Name
    label: Words
    trigger: Annotated[str, Field(pattern=r"^(aware_at|detected_at|qualified_at|resolved_at|sent:[a-z0-9_]+)$")]
    force: Literal["legal", "directive", "target"]
    word: Words | None = None
    after: Duration
    calendar: str = "Europe/Paris"
    warn_before: Duration
    when: Condition | None = None
    legal_basis: str
    evidence: Evidence

    @property
    def warning(self) -> timedelta:
        """How long before the end it counts as «soon»."""
        return self.warn_before.elapsed

    @model_validator(mode="after")
    def _coherent(self) -> "DeadlineRule":
        if self.force == "target" and self.word is None:
            raise ValueError("word (what the law says) is expected with a target of ours")
        if self.warn_before.months:
            raise ValueError("warn_before is counted in days or hours")
        return self


class LegalBasis(_Shape):
    """The texts, where they were read, and when."""

    text: str
    source: str
    read_on: date
    evidence: Evidence


class Authority(_Shape):
    """Who receives the declaration."""

    id: Name
    name: Words


class Section(_Shape):
    """A group of fields shown together."""

    id: Name
    title: Words
    intro: Words | None = None
    fields: tuple[FormField, ...]


class Form(_Shape):
    """One declaration to one authority. ``filing``: ``desk`` (machine to machine) or ``person`` (typed by a person elsewhere)."""

    form: Name
    version: str
    order: int
    filing: Literal["desk", "person"]
    title: Words
    authority: Authority
    legal_basis: LegalBasis
    valid_from: date
    valid_until: date | None
    note: Words
    applies: Condition
    applies_reason: Words
    recipients: tuple[str, ...]
    deadlines: tuple[DeadlineRule, ...]
    sections: tuple[Section, ...]

    def in_force(self, on: date) -> bool:
        """Whether this version of the form is the one to use on that day."""
        return self.valid_from <= on and (self.valid_until is None or on < self.valid_until)

    def fields(self) -> Iterator[tuple[Section, FormField]]:
        """Every field with its section, in order."""
        for section in self.sections:
            for entry in section.fields:
                yield section, entry

    @model_validator(mode="after")
    def _coherent(self) -> "Form":
        rules = [rule.id for rule in self.deadlines]
        for rule in self.deadlines:
            kind, _, target = rule.trigger.partition(":")
            if kind == "sent" and (target not in rules or target == rule.id):
                raise ValueError(f"deadline {rule.id}: no other deadline {target} to start from")
        for what, names in (
            ("deadline", rules),
            ("section", [s.id for s in self.sections]),
            ("field", [entry.key for _, entry in self.fields()]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} given twice: {', '.join(twice)}")
        return self
