"""List the sessions that people have open at the identity provider, before anything is revoked."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from siem.response.action import Action, Context, Result, identifiers
from siem.response.identity_provider import SessionFound
from siem.response.model import ActionClass

#: Screens and the log-book speak of the time in Paris; exports of UTC.
_PARIS: Final = ZoneInfo("Europe/Paris")


class ListSessions(Action):
    """Asks the identity provider for the sessions of every person concerned."""

    name = "list_sessions"
    title = "Lister les sessions"
    action_class = ActionClass.READ
    inputs = ("personnes",)
    outputs = ("sessions_ouvertes", "validite_residuelle")

    def execute(self, context: Context) -> Result:
        """Number of sessions, with where each comes from and what it serves."""
        lines: list[str] = []
        residual = 0
        for person, national_id in identifiers(self.services, context):
            found = self.services.identity_provider.sessions(national_id, timeout_seconds=context.timeout_seconds)
            residual = max(residual, found.residual_seconds)
            lines += [_line(person, each) for each in found.sessions]
        if not lines:
            text = "Aucune session ouverte."
        else:
            text = ("1 session ouverte : " if len(lines) == 1 else f"{len(lines)} sessions ouvertes : ") + " ; ".join(lines) + "."
        return Result(text, {"sessions_ouvertes": str(len(lines)), "validite_residuelle": str(residual)})

    def plan(self, context: Context) -> str:
        """Whose sessions would be listed."""
        return f"Demanderait au fournisseur d’identité les sessions de {', '.join(context.listed('personnes')) or 'personne'}."


def _line(person: str, session: SessionFound) -> str:
    text = f"{person} depuis {session.source_ip or 'une adresse inconnue'}{_since(session.auth_time)}"
    return text + (f", services {', '.join(session.clients)}" if session.clients else "")


def _since(instant: str) -> str:
    """When a session was opened, for a person; nothing if the provider did not say it in RFC 3339."""
    try:
        opened = datetime.fromisoformat(instant)
        return f", ouverte le {opened.astimezone(_PARIS):%d/%m/%Y à %H:%M} (heure de Paris)" if opened.tzinfo else f", ouverte à {instant}"
    except (ValueError, OverflowError):
        return ""
