"""What an action is, what it is given and what it gives back."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, TypeAlias

from siem.access import Principal
from siem.event import RawRecord
from siem.evidence import EvidenceStore
from siem.incidents.model import Alert, Incident
from siem.response.identity_provider import IdentityProvider
from siem.response.model import ActionClass
from siem.store.database import Database


class ActionFailed(Exception):
    """The action cannot be done, and trying again will not help. The text is French, for the screen."""


@dataclass(frozen=True, slots=True)
class Message:
    """What ``notify`` hands over for delivery. No patient, no name: identifiers are pseudonyms."""

    key: str
    audience: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What actions act through; the application gives it.

    ``resolve`` turns a pseudonym into the identifier it stands for, or None. ``collect`` gives the raw records of a tenant's
    events, as received. ``open_dossier`` opens the incident's dossier (or finds it) and returns its id. ``deliver`` sends a
    message and returns how, in French; None where no channel is set up. It may be called twice with the same key.
    """

    database: Database
    evidence: EvidenceStore
    identity_provider: IdentityProvider
    resolve: Callable[[str], str | None]
    collect: Callable[[str, Sequence[str]], Mapping[str, RawRecord]]
    open_dossier: Callable[[Incident, Principal], str]
    deliver: Callable[[Message], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One execution of one step. ``key`` is the same however often it is tried; ``arguments`` by name without underscores."""

    incident: Incident
    alerts: tuple[Alert, ...]
    key: str
    arguments: Mapping[str, str]
    actor: Principal
    reason: str
    now: datetime
    timeout_seconds: float
    event_ids: tuple[str, ...] = ()

    def listed(self, name: str) -> tuple[str, ...]:
        """A comma-separated argument as its values."""
        return tuple(part.strip() for part in self.arguments.get(name, "").split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class Result:
    """What was done: a French sentence, values for out_args, and how to undo it (empty: nothing to undo by hand)."""

    text: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    undo: str = ""


class Action(ABC):
    """One action. ``inputs`` must be given, ``options`` may be; both are names of variables without underscores."""

    name: ClassVar[str]
    title: ClassVar[str]
    action_class: ClassVar[ActionClass]
    inputs: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, services: Services) -> None:
        self.services = services

    @abstractmethod
    def execute(self, context: Context) -> Result:
        """Do it, once per ``context.key``. Raises ActionFailed or OperationError."""

    @abstractmethod
    def plan(self, context: Context) -> str:
        """What it would do, in French; changes nothing and asks nobody."""

    def undo(self, context: Context) -> Result:
        """Undo what was done under ``context.key``. Raises ActionFailed where that cannot be."""
        raise ActionFailed("Cette action ne se défait pas.")


#: A class of actions, as :data:`siem.response.actions.ACTIONS` lists them.
ActionKind: TypeAlias = type[Action]


def identifiers(services: Services, context: Context) -> list[tuple[str, str]]:
    """(pseudonym, national identifier) of every person in ``personnes``. Raises ActionFailed naming those nobody knows."""
    people = context.listed("personnes")
    if not people:
        raise ActionFailed("L’incident ne concerne aucune personne connue.")
    found = [(person, services.resolve(person)) for person in people]
    unknown = [person for person, identifier in found if not identifier]
    if unknown:
        raise ActionFailed(f"Identifiant introuvable pour {', '.join(unknown)}.")
    return [(person, identifier) for person, identifier in found if identifier]
