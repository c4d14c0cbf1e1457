"""Open the dossier of declaration: a draft from the incident's facts, that nobody but a person ever files."""

from siem.response.action import Action, Context, Result
from siem.response.model import ActionClass


class OpenDossier(Action):
    """Opens the incident's dossier, or finds the one it has."""

    name = "open_dossier"
    title = "Ouvrir le dossier de déclaration"
    action_class = ActionClass.READ
    outputs = ("dossier",)

    def execute(self, context: Context) -> Result:
        """The dossier's id is the output."""
        dossier_id = self.services.open_dossier(context.incident, context.actor)
        return Result(f"Dossier de déclaration {dossier_id} ouvert en brouillon.", {"dossier": dossier_id})

    def plan(self, context: Context) -> str:
        """For which incident."""
        return f"Ouvrirait le dossier de déclaration de {context.incident.number}, en brouillon."
