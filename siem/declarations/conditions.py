"""Conditions of the forms: three-valued, because a dossier is filed while much is unknown.

A condition is one of ``criterion`` (a criterion of D.1111-16-2 answered yes), ``field`` with ``in`` (a field holds one of
these codes), ``technique`` (an ATT&CK technique was seen), ``any`` and ``all`` of others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from siem.declarations.fields import Value
from siem.declarations.model import Applicability
from siem.incidents.model import CRITERIA

_YES, _MAYBE, _NO = Applicability.OUI, Applicability.A_CONFIRMER, Applicability.NON


@dataclass(frozen=True, slots=True)
class Situation:
    """What conditions look at: the answers on the criteria, the dossier's values, the techniques seen."""

    criteria: Mapping[str, str]
    values: Mapping[str, Value]
    techniques: tuple[str, ...] = ()


class Condition(BaseModel):
    """One condition, as written in a form."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    criterion: str | None = None
    field: str | None = None
    within: tuple[str, ...] = Field(default=(), alias="in")
    technique: tuple[str, ...] = ()
    any: tuple["Condition", ...] = ()
    all: tuple["Condition", ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [self.criterion is not None, self.field is not None, bool(self.technique), bool(self.any), bool(self.all)]
        if sum(kinds) != 1:
            raise ValueError("exactly one of criterion, field, technique, any, all is expected")
        if self.criterion is not None and self.criterion not in CRITERIA:
            raise ValueError(f"no such criterion: {self.criterion}; one of {', '.join(CRITERIA)} is expected")
        if (self.field is not None) != bool(self.within):
            raise ValueError("field and in go together")
        return self

    def fields(self) -> frozenset[str]:
        """Every field the condition reads."""
        own = frozenset({self.field}) if self.field else frozenset[str]()
        return own.union(*(part.fields() for part in (*self.any, *self.all)))

    def evaluate(self, situation: Situation) -> Applicability:
        """Yes, no, or to be confirmed when what it reads is not known."""
        if self.criterion is not None:
            return {"oui": _YES, "non": _NO}.get(situation.criteria.get(self.criterion, "inconnu"), _MAYBE)
        if self.technique:
            return _YES if any(_same_technique(seen, wanted) for seen in situation.techniques for wanted in self.technique) else _NO
        if self.any:
            return _strongest([part.evaluate(situation) for part in self.any])
        if self.all:
            return _weakest([part.evaluate(situation) for part in self.all])
        return self._evaluate_field(situation)

    def _evaluate_field(self, situation: Situation) -> Applicability:
        value = situation.values.get(self.field or "")
        if value is None:
            return _MAYBE
        if isinstance(value, bool):
            codes = {"oui" if value else "non"}
        else:
            codes = {str(item) for item in value} if isinstance(value, list) else {str(value)}
        return _YES if codes & set(self.within) else _NO


def _same_technique(seen: str, wanted: str) -> bool:
    return seen == wanted or seen.startswith(wanted + ".")


def _strongest(parts: list[Applicability]) -> Applicability:
    return _YES if _YES in parts else _MAYBE if _MAYBE in parts else _NO


def _weakest(parts: list[Applicability]) -> Applicability:
    return _NO if _NO in parts else _MAYBE if _MAYBE in parts else _YES
