"""A filter for a rule, proposed from the alerts that people closed as false: what it would hide, what is proved to stay, and writing it."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from starlette.responses import Response

from siem.console.visit import Form, Visit
from siem.incidents.model import Refused
from siem.tuning.proposal import DEFAULT_LIFE, Proposal, Signature

#: Alerts of each kind shown one by one.
_MOST_SHOWN: Final = 20


def show(visit: Visit) -> Response:
    """The proposal, with its proof."""
    return _page(visit, visit.services.tuning.propose(visit.parameter("id"), visit.principal))


def write(visit: Visit) -> Response:
    """Prove again and write the filter into the operator's folder; it is in force at once."""
    form, tuning, rule_id = visit.form, visit.services.tuning, visit.parameter("id")
    try:
        expires = date.fromisoformat(form.get("echeance"))
    except ValueError:
        return _again(visit, {"echeance": visit.language.text("tuning.bad_day")})
    signature = Signature(form.get("responsable"), " ".join(form.get("motif").split()), expires)
    try:
        path = tuning.write(rule_id, form.get("proposition"), signature, visit.principal)
    except Refused as refused:
        return _again(visit, {refused.field: refused.problem})
    return visit.redirect(f"/regles/{rule_id}#filtres", visit.language.text("tuning.written", file=path.name))


def _again(visit: Visit, errors: Mapping[str, str]) -> Response:
    return _page(visit, visit.services.tuning.propose(visit.parameter("id"), visit.principal), errors=errors, typed=visit.form, status=422)


def _page(
    visit: Visit, proposal: Proposal, *, errors: Mapping[str, str] | None = None, typed: Form | None = None, status: int = 200
) -> Response:
    return visit.render(
        "tuning.html",
        status=status,
        proposal=proposal,
        most=_MOST_SHOWN,
        default_day=(visit.now + DEFAULT_LIFE).date().isoformat(),
        errors=dict(errors or {}),
        typed=typed or Form([]),
    )
