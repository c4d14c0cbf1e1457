"""The file of people: YAML, one entry per professional, only what is known of them.

Shape: ``people: [{national_id, given_name, family_name, civility, state, exercices: [{code…, activities: [{code…}]}], overrides: {…}}]``.
Leaf names are those of :mod:`idp.people.directory`; a name that is not one of them is an error, not silently lost.
"""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from idp.model import Account, AccountKind, AccountState
from idp.people.directory import ACTIVITY_FIELDS, EXERCICE_FIELDS, TOP_FIELDS, directory_entry
from idp.yaml_file import read_yaml
from vocabulary.identifiers import PsIdNat

#: Invented professionals with every shape of directory entry, for development and demonstrations.
SAMPLES: Final = Path(__file__).with_name("samples.yaml")
#: Accounts get the same identifier from the same file on every machine, so that applying it twice changes nothing.
_NAMESPACE: Final = uuid.UUID("6f0c2f0e-0d5c-5b77-9a2a-0f6f2d9b8a11")
_OVERRIDABLE: Final = frozenset(TOP_FIELDS) | {"Secteur_Activite", "SubjectOrganization", "SubjectOrganizationID"}


class PeopleFileError(ValueError):
    """The file cannot be used; the text names file, entry and field."""


def _known(allowed: tuple[str, ...] | frozenset[str]) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, Mapping):
            unknown = [str(name) for name in value if name not in allowed]
            if unknown:
                raise ValueError(f"{unknown[0]!r} is not a field of the directory")
        return value

    return BeforeValidator(check)


_Leaves = Annotated[dict[str, str], _known(ACTIVITY_FIELDS)]


class _Exercice(BaseModel):
    """One practice; its leaves are checked by name, as they are many and all strings."""

    model_config = ConfigDict(extra="allow", strict=True)
    activities: list[_Leaves] = Field(default_factory=list)

    def leaves(self) -> dict[str, object]:
        """What the file says, as the directory takes it; raises ValueError for an unknown or non-text leaf."""
        extra = self.model_extra or {}
        for name, value in extra.items():
            if name not in EXERCICE_FIELDS:
                raise ValueError(f"{name!r} is not a field of an exercice")
            if not isinstance(value, str):
                raise ValueError(f"{name!r} must be text: write it in quotes")  # noqa: TRY004 (pydantic collects ValueError)
        return {**extra, "activities": self.activities}


class _Person(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    national_id: str
    given_name: str
    family_name: str = Field(min_length=1)
    civility: str = ""
    state: Annotated[AccountState, Field(strict=False)] = AccountState.ACTIVE
    exercices: list[_Exercice] = Field(default_factory=list)
    overrides: Annotated[dict[str, str], _known(_OVERRIDABLE)] = Field(default_factory=dict)

    @field_validator("national_id")
    @classmethod
    def _is_a_national_id(cls, value: str) -> str:
        return str(PsIdNat.parse(value))

    @field_validator("exercices")
    @classmethod
    def _leaves_are_known(cls, value: list[_Exercice]) -> list[_Exercice]:
        for exercice in value:
            exercice.leaves()
        return value

    def account(self) -> Account:
        return Account(
            id=str(uuid.uuid5(_NAMESPACE, self.national_id)),
            kind=AccountKind.PROFESSIONAL,
            state=self.state,
            national_id=self.national_id,
            given_name=self.given_name,
            family_name=self.family_name,
            directory=directory_entry(
                national_id=self.national_id,
                given_name=self.given_name,
                family_name=self.family_name,
                civility=self.civility,
                exercices=[exercice.leaves() for exercice in self.exercices],
                overrides=self.overrides,
            ),
        )


class _People(BaseModel):
    model_config = ConfigDict(extra="forbid")
    #: Whatever the file's author wants to name once (YAML anchors); not read.
    places: dict[str, _Leaves] = Field(default_factory=dict)
    people: list[_Person]


def read_people(path: Path) -> list[Account]:
    """The accounts a file describes, in its order.

    Raises :class:`PeopleFileError` naming file, entry and field; nothing is returned of a file with a fault.
    """
    try:
        document = read_yaml(path)
    except (OSError, ValueError) as error:
        raise PeopleFileError(f"{path}: cannot be read: {error}") from error
    try:
        people = _People.model_validate(document).people
    except ValidationError as error:
        raise PeopleFileError(
            "\n".join(f"{path}: {_place(fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}" for fault in error.errors())
        ) from error
    seen: set[str] = set()
    for index, person in enumerate(people, start=1):
        if person.national_id in seen:
            raise PeopleFileError(f"{path}: people, entry {index}, national_id: {person.national_id} is there twice")
        seen.add(person.national_id)
    return [person.account() for person in people]


def _place(location: tuple[int | str, ...]) -> str:
    return ", ".join(f"entry {part + 1}" if isinstance(part, int) else part for part in location) or "document"
