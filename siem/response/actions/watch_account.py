"""Watch the accounts concerned: until the end date, each alert about these people weighs twice and says so."""

from datetime import timedelta
from typing import Final

from sqlalchemy import update

from siem.incidents.store import insert_missing, watch_list
from siem.response.action import Action, ActionFailed, Context, Result
from siem.response.model import ActionClass

#: How long, where the playbook does not say, and at most.
_DAYS: Final = 30
_DAYS_AT_MOST: Final = 365


class WatchAccount(Action):
    """Puts the people concerned on the watch list, from the incident's last event on."""

    name = "watch_account"
    title = "Surveiller le compte"
    action_class = ActionClass.READ
    inputs = ("personnes",)
    options = ("duree_jours",)
    outputs = ("surveillance_jusqu_au",)

    def execute(self, context: Context) -> Result:
        """One row per person, once per step."""
        people = context.listed("personnes")
        if not people:
            raise ActionFailed("L’incident ne concerne aucune personne connue.")
        until = context.now + timedelta(days=_days(context))
        rows = [
            {
                "tenant": context.incident.tenant,
                "user_id": person,
                "from_at": min(context.incident.last_at, context.now),
                "until_at": until,
                "incident_id": context.incident.id,
                "reason": f"Incident {context.incident.number}",
                "reference": context.key,
                "created_at": context.now,
            }
            for person in people
        ]
        with self.services.database.transaction() as conn:
            insert_missing(conn, watch_list, rows)
        text = f"Surveillance renforcée de {', '.join(people)} jusqu’au {until:%d/%m/%Y}."
        return Result(text, {"surveillance_jusqu_au": until.isoformat()}, undo="Lever la surveillance renforcée")

    def plan(self, context: Context) -> str:
        """Who would be watched, and how long."""
        return f"Surveillerait {', '.join(context.listed('personnes')) or 'personne'} pendant {_days(context)} jours."

    def undo(self, context: Context) -> Result:
        """End the watch now."""
        with self.services.database.transaction() as conn:
            conn.execute(
                update(watch_list)
                .where(watch_list.c.reference == context.key, watch_list.c.ended_at.is_(None))
                .values(ended_at=context.now)
            )
        return Result("Surveillance renforcée levée.")


def _days(context: Context) -> int:
    text = context.arguments.get("duree_jours") or str(_DAYS)
    if not text.isdigit() or not 1 <= int(text) <= _DAYS_AT_MOST:
        raise ActionFailed(f"La durée de surveillance doit être de 1 à {_DAYS_AT_MOST} jours, pas « {text} ».")
    return int(text)
