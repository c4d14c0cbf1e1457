"""Risk by person, patient, device and establishment: who stands highest, and which alerts it comes from."""

from typing import Final

from starlette.responses import Response

from siem.console.visit import NotFound, Visit
from siem.incidents.exposure import KINDS

_MOST: Final = 50


def index(visit: Visit) -> Response:
    """The entities at greatest risk, all kinds or one (``sorte``)."""
    kind = visit.query.get("sorte") if visit.query.get("sorte") in KINDS else ""
    incidents = visit.services.incidents
    return visit.render(
        "risks.html",
        risks=incidents.risks(visit.principal, kind=kind, limit=_MOST),
        most=_MOST,
        kinds=KINDS,
        kind=kind,
        half_life=incidents.policy.half_life,
        threshold=incidents.policy.entity_threshold,
    )


def show(visit: Visit) -> Response:
    """One entity (``sorte``, ``valeur``): each alert with its weight and what time has left of it."""
    found = visit.services.incidents.risk_of(visit.principal, visit.query.get("sorte"), visit.query.get("valeur"))
    if found is None:
        raise NotFound
    policy = visit.services.incidents.policy
    return visit.render("risk.html", risk=found, half_life=policy.half_life, threshold=policy.entity_threshold)
