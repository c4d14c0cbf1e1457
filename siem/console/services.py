"""What the console needs from the rest of the watch: one object, given by the application, nothing global."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from siem.access import Principal
from siem.console.sessions import Lifetimes
from siem.declarations.desk import Desk
from siem.declarations.model import Dossier
from siem.declarations.service import Dossiers
from siem.detection import Rule
from siem.detection.alarms import Alarm
from siem.detection.load import Ruleset
from siem.detection.match import OutOfForce
from siem.detection.profile import Profiles
from siem.history.trials import Trials
from siem.incidents.model import Incident
from siem.incidents.service import Incidents
from siem.response.runs import Runs
from siem.sources.source import SourceSettings
from siem.store.database import Database
from siem.store.events import EventStore
from siem.tuning.proposal import Tuning

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Provider:
    """The identity provider as registered for the console.

    ``console_url`` is the public address of the console, without a slash at its end; its scheme decides on secure cookies.
    """

    issuer: str
    client_id: str
    client_secret: str
    console_url: str
    timeout_seconds: float = 5.0

    @property
    def secure(self) -> bool:
        """Whether the console is reached by https."""
        return self.console_url.startswith("https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every dependency of the pages.

    ``rules`` by id are those in force, ``ruleset`` gives them with their filters and what did not load, ``profiles`` what each costs (None
    before the first batch); ``open_dossier`` opens an incident's dossier with what the watch
    knows of it; ``backlog`` counts records received and not yet processed; ``alarms`` are the rules that lost state for want of room,
    ``out_of_force`` those that judge nothing, and ``put_back`` puts one of them into force again; ``indicators`` is the folder of sets;
    ``granting_contact`` is who grants roles (name, e-mail or telephone, shown to people without one); ``closing`` ends live streams when
    the application stops.
    """

    database: Database
    clock: Clock
    provider: Provider
    incidents: Incidents
    runs: Runs
    dossiers: Dossiers
    events: EventStore
    rules: Mapping[str, Rule]
    ruleset: Callable[[], Ruleset]
    profiles: Callable[[], Profiles | None]
    tuning: Tuning
    trials: Trials
    sources: Sequence[SourceSettings]
    backlog: Callable[[], int]
    desk: Desk
    open_dossier: Callable[[Incident, Principal], Dossier]
    granting_contact: str = ""
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    closing: Callable[[], bool] = lambda: False
    alarms: Callable[[], Sequence[Alarm]] = tuple
    out_of_force: Callable[[], Sequence[OutOfForce]] = tuple
    indicators: Path = Path("indicators")
    put_back: Callable[[str], bool] = lambda _rule_id: False
