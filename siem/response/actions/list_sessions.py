"""List the sessions that people have open at the identity provider, before anything is revoked."""

from siem.response.action import Action, Context, Result, identifiers
from siem.response.model import ActionClass


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
            lines += [
                f"{person} depuis {each.source_ip or 'une adresse inconnue'}, ouverte à {each.auth_time}"
                + (f", services {', '.join(each.clients)}" if each.clients else "")
                for each in found.sessions
            ]
        text = "Aucune session ouverte." if not lines else f"{len(lines)} session(s) ouverte(s) : " + " ; ".join(lines) + "."
        return Result(text, {"sessions_ouvertes": str(len(lines)), "validite_residuelle": str(residual)})

    def plan(self, context: Context) -> str:
        """Whose sessions would be listed."""
        return f"Demanderait au fournisseur d’identité les sessions de {', '.join(context.listed('personnes')) or 'personne'}."
