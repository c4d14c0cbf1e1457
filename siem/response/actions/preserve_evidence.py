"""Preserve evidence: the raw records of the incident's events, as received, sealed by a manifest. Always the first step."""

from siem.evidence import Piece
from siem.response.action import Action, ActionFailed, Context, Result
from siem.response.model import ActionClass


class PreserveEvidence(Action):
    """Copies the raw records of every event of the incident's alerts into the evidence folder."""

    name = "preserve_evidence"
    title = "Préserver les preuves"
    action_class = ActionClass.READ
    outputs = ("empreinte", "pieces")

    def execute(self, context: Context) -> Result:
        """Seal the records; the manifest's SHA-256 is the output."""
        wanted = context.event_ids
        records = self.services.collect(context.incident.tenant, wanted)
        if wanted and not records:
            raise ActionFailed("Aucun enregistrement brut n’a été retrouvé pour les événements de l’incident.")
        missing = [event_id for event_id in wanted if event_id not in records]
        pieces = (
            Piece(
                event_id,
                record.data,
                {"source": record.source, "position": record.position, "received_at": record.received_at.isoformat()},
            )
            for event_id, record in ((event_id, records[event_id]) for event_id in wanted if event_id in records)
        )
        about = {
            "incident": context.incident.number,
            "incident_id": context.incident.id,
            "tenant": context.incident.tenant,
            "alerts": [alert.id for alert in context.alerts],
            "first_at": context.incident.first_at.isoformat(),
            "last_at": context.incident.last_at.isoformat(),
            "time_source": "system clock, UTC",
            "missing": missing,
        }
        manifest = self.services.evidence.seal(context.key, pieces, about, context.now)
        text = (
            f"{manifest.piece_count} enregistrements bruts conservés ({manifest.size_bytes} octets), empreinte SHA-256 {manifest.sha256}."
        )
        if missing:
            text += f" {len(missing)} n’étaient plus disponibles ; le manifeste les nomme."
        return Result(text, {"empreinte": manifest.sha256, "pieces": str(manifest.piece_count)})

    def plan(self, context: Context) -> str:
        """How many records would be kept."""
        return f"Conserverait les enregistrements bruts de {len(context.event_ids)} événements et scellerait leur empreinte."
