"""Who is behind a pseudonym: shown once, to somebody who says why, with a trace that stays."""

from typing import Final

from starlette.responses import Response

from siem.console.routing import safe_return
from siem.console.visit import NotFound, Visit
from siem.enrichment import pseudonyms

#: A reason shorter than this says nothing to whoever reads the trace later.
_SHORTEST_REASON: Final = 10


def ask(visit: Visit) -> Response:
    """The question: for which reason?"""
    return _page(visit, visit.query.get("pseudonyme"), visit.query.get("retour"))


def reveal(visit: Visit) -> Response:
    """Leave the trace, then show the identity on this page only; it is in no address and in no cache."""
    form = visit.form
    pseudonym, reason = form.get("pseudonyme"), form.get("motif")
    if len(reason) < _SHORTEST_REASON:
        return _page(visit, pseudonym, form.get("retour"), error=visit.language.text("identity.reason_missing"), reason=reason, status=422)
    with visit.services.database.transaction() as connection:
        identity = pseudonyms.reveal(connection, pseudonym, visit.principal, reason, visit.now)
    if identity is None:
        raise NotFound
    return _page(visit, pseudonym, form.get("retour"), identity=identity, reason=reason)


def _page(visit: Visit, pseudonym: str, back: str, *, error: str = "", identity: str = "", reason: str = "", status: int = 200) -> Response:
    return visit.render(
        "identity.html",
        status=status,
        pseudonym=pseudonym,
        back=safe_return(back or "/alertes"),
        error=error,
        identity=identity,
        reason=reason,
    )
