"""Revoke every session and token of the people concerned, by an HTTP call to the identity provider.

Tokens that a service checks offline stay acceptable until they expire: the result says for how long at most.
"""

from siem.response.action import Action, Context, Result, identifiers
from siem.response.model import ActionClass


class RevokeSessions(Action):
    """Ends sessions, refresh tokens and access tokens; the person logs in again."""

    name = "revoke_sessions"
    title = "Révoquer les sessions et les jetons"
    action_class = ActionClass.REVERSIBLE
    inputs = ("personnes",)
    outputs = ("sessions_revoquees", "jetons_revoques", "validite_residuelle")

    def execute(self, context: Context) -> Result:
        """One revocation per person, each under its own key."""
        sessions = grants = residual = 0
        people = identifiers(self.services, context)
        for person, national_id in people:
            done = self.services.identity_provider.revoke(
                national_id=national_id,
                reason=context.reason or f"Incident {context.incident.number}",
                reference=context.incident.number,
                key=f"{context.key}:{person}",
                timeout_seconds=context.timeout_seconds,
            )
            sessions += done.session_count
            grants += done.grant_count
            residual = max(residual, done.residual_seconds)
        whose = ", ".join(person for person, _ in people)
        text = f"{_counted(sessions, 'session')} et {_counted(grants, 'autorisation')} : révocation faite pour {whose}."
        if residual:
            text += f" Un jeton déjà remis peut encore être accepté hors ligne pendant {residual} s au plus."
        outputs = {"sessions_revoquees": str(sessions), "jetons_revoques": str(grants), "validite_residuelle": str(residual)}
        return Result(text, outputs, undo="")

    def plan(self, context: Context) -> str:
        """Whose sessions would end."""
        people = ", ".join(context.listed("personnes")) or "personne"
        return f"Révoquerait toutes les sessions et tous les jetons de {people} ; la personne devrait se reconnecter."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("s" if count > 1 else "")
