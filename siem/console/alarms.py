"""Alarms about the detection itself: seen on every page by whoever may act, and kept until they do."""

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from siem.console import users
from siem.console.routing import safe_return
from siem.console.visit import Problem, Visit
from siem.detection.alarms import Kind
from siem.incidents import detection_alarms
from siem.incidents.detection_alarms import DetectionAlarm

_PUT_BACK: Final = "remettre"
_NOTED: Final = "noter"


@dataclass(frozen=True, slots=True)
class Shown:
    """An alarm with its rule's title in the reader's language (the id of a rule that is gone). ``out``: the rule is out of force still."""

    alarm: DetectionAlarm
    title: str
    known: bool
    out: bool


def index(visit: Visit) -> Response:
    """Every alarm that stands, then those that were taken note of."""
    with visit.reading() as connection:
        standing = detection_alarms.standing(connection, visit.principal)
        settled = detection_alarms.settled(connection, visit.principal)
        people = users.everyone(connection, visit.principal.tenant)
    names = {person.subject: person.name for person in people}
    return visit.render("alarms.html", alarms=shown(visit, standing), settled=shown(visit, settled), names=names)


def act(visit: Visit) -> Response:
    """Take note of an alarm, or put its rule back into force."""
    action, services = visit.form.get("action"), visit.services
    if action not in (_PUT_BACK, _NOTED):
        raise Problem(400, "unreadable")
    done = "put_back" if action == _PUT_BACK else "noted"
    with services.database.transaction() as connection:
        alarm = detection_alarms.acknowledge(connection, visit.parameter("id"), done, visit.principal, visit.now)
    if action == _PUT_BACK:
        services.put_back(alarm.rule_id)
    return visit.redirect(safe_return(visit.form.get("retour", "/alarmes")), visit.language.text(f"alarms.{done}"))


def of_rule(visit: Visit, rule_id: str) -> list[Shown]:
    """The alarms that stand about one rule."""
    with visit.reading() as connection:
        standing = detection_alarms.standing(connection, visit.principal)
    return shown(visit, [one for one in standing if one.rule_id == rule_id])


def shown(visit: Visit, alarms: list[DetectionAlarm]) -> list[Shown]:
    """Alarms ready for a page."""
    out = {one.rule_id for one in visit.services.out_of_force()}
    return [
        Shown(one, visit.rule_title(one.rule_id), one.rule_id in visit.services.rules, one.kind is Kind.OUT_OF_FORCE and one.rule_id in out)
        for one in alarms
    ]
