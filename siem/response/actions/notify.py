"""Tell somebody: an entry in the outbox, and a message where a channel is set up. No patient and no name in it."""

from sqlalchemy import insert, select, update

from siem.incidents.phrases import SEVERITIES, credit_phrase
from siem.response.action import Action, ActionFailed, Context, Message, Result
from siem.response.model import ActionClass
from siem.response.store import notifications


class Notify(Action):
    """Writes a message to an audience (RSSI, DPO, direction), and sends it where a channel is set up."""

    name = "notify"
    title = "Prévenir"
    action_class = ActionClass.READ
    inputs = ("destinataires",)
    options = ("message",)
    outputs = ("envoi",)

    def execute(self, context: Context) -> Result:
        """The message is kept before it is sent; a message that was sent is not sent again."""
        audience = ", ".join(context.listed("destinataires"))
        if not audience:
            raise ActionFailed("Aucun destinataire.")
        message = Message(context.key, audience, f"[Veilleur] {context.incident.number}", _text(context))
        with self.services.database.transaction() as conn:
            sent = conn.execute(select(notifications).where(notifications.c.key == message.key)).mappings().first()
            if sent is None:
                row = {
                    "key": message.key,
                    "audience": audience,
                    "subject": message.subject,
                    "text": message.text,
                    "created_at": context.now,
                }
                conn.execute(insert(notifications).values(tenant=context.incident.tenant, incident_id=context.incident.id, **row))
        if sent is not None and sent["sent_at"] is not None:
            return Result(f"{audience} : déjà prévenus ({sent['channel']}).", {"envoi": sent["channel"]})
        if self.services.deliver is None:
            return Result(f"Message pour {audience} consigné ; aucun canal d’envoi n’est configuré, à transmettre.", {"envoi": ""})
        channel = self.services.deliver(message)
        with self.services.database.transaction() as conn:
            done = {"sent_at": context.now, "channel": channel}
            conn.execute(update(notifications).where(notifications.c.key == message.key).values(**done))
        return Result(f"{audience} prévenus ({channel}).", {"envoi": channel})

    def plan(self, context: Context) -> str:
        """Who would be told."""
        return f"Préviendrait {', '.join(context.listed('destinataires')) or 'personne'}."


def _text(context: Context) -> str:
    incident = context.incident
    lines = [
        context.arguments.get("message") or "Un incident de sécurité demande votre attention.",
        f"{incident.number} : {incident.title}",
        f"Gravité : {SEVERITIES[incident.severity]}. Alertes : {incident.alert_count}.",
        f"Période : du {incident.first_at:%d/%m/%Y %H:%M} au {incident.last_at:%d/%m/%Y %H:%M} (UTC).",
    ]
    if incident.rules:
        lines.append(f"Règles : {' ; '.join(map(credit_phrase, incident.rules))}.")
    return "\n".join(lines)
