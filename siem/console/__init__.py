"""The console: the pages that analysts, their lead, directors of establishments and agencies use.

Owns what is seen and how a person gets in. Owns no decision of the watch: pages call the services and say what they
answered. Start with :data:`PAGES` (every route, with what it asks for), then :mod:`.routing` (the one way to a page).
"""

import logging
import secrets
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from siem.access import Permission as P
from siem.console import (
    alarms,
    alert,
    authentication,
    desk,
    dossier,
    identities,
    incident,
    indicators,
    live,
    preferences,
    queue,
    risks,
    rules,
    run,
    search,
    sources,
    trials,
    tuning,
)
from siem.console.language import load
from siem.console.routing import Page, Router, problem_page, secured
from siem.console.services import Provider, Services
from siem.console.templating import environment
from siem.console.visit import NotFound, Problem

__all__ = ["PAGES", "Provider", "Services", "mount", "routes"]

#: Every page and action. A new one is a line here; tests walk this table as each role and from another establishment.
PAGES: Final = (
    Page("GET", "/connexion", authentication.start, public=True),
    Page("GET", "/connexion/retour", authentication.back, public=True),
    Page("GET", "/deconnexion", authentication.left, public=True),
    Page("POST", "/deconnexion", authentication.leave),
    Page("GET", "/", authentication.home),
    Page("GET", "/preferences", preferences.show),
    Page("POST", "/preferences", preferences.save),
    Page("GET", "/flux", live.stream, P.READ_INCIDENTS, "live"),
    Page("GET", "/alertes", queue.show, P.READ_ALERTS, "alertes"),
    Page("POST", "/alertes/actions", queue.act, P.TRIAGE, "alertes"),
    Page("GET", "/alertes/{id}", alert.show, P.READ_ALERTS, "alertes"),
    Page("GET", "/incidents", incident.index, P.READ_INCIDENTS, "incidents"),
    Page("GET", "/incidents/{id}", incident.show, P.READ_INCIDENTS, "incidents"),
    Page("POST", "/incidents/{id}/qualification", incident.qualify, P.HANDLE_INCIDENTS, "incidents"),
    Page("POST", "/incidents/{id}/etat", incident.move, P.HANDLE_INCIDENTS, "incidents"),
    Page("POST", "/incidents/{id}/notes", incident.note, P.HANDLE_INCIDENTS, "incidents"),
    Page("POST", "/incidents/{id}/assignation", incident.assign, P.HANDLE_INCIDENTS, "incidents"),
    Page("POST", "/incidents/{id}/executions", incident.execute, P.HANDLE_INCIDENTS, "incidents"),
    Page("POST", "/incidents/{id}/dossier", incident.open_dossier, P.EDIT_DOSSIERS, "incidents"),
    Page("GET", "/executions/{run}", run.show, P.READ_INCIDENTS, "incidents"),
    Page("POST", "/executions/{run}/etapes/{step}", run.decide, P.APPROVE_ACTIONS, "incidents"),
    Page("POST", "/executions/{run}/arret", run.cancel, P.HANDLE_INCIDENTS, "incidents"),
    Page("GET", "/dossiers", dossier.index, P.READ_DOSSIERS, "dossiers"),
    Page("GET", "/dossiers/{id}.pdf", dossier.download, P.READ_DOSSIERS, "dossiers"),
    Page("GET", "/dossiers/{id}.json", dossier.download, P.READ_DOSSIERS, "dossiers"),
    Page("GET", "/dossiers/{id}.stix", dossier.download, P.READ_DOSSIERS, "dossiers"),
    Page("GET", "/dossiers/{id}", dossier.show, P.READ_DOSSIERS, "dossiers"),
    Page("GET", "/dossiers/{id}/apercu", dossier.preview, P.READ_DOSSIERS, "dossiers"),
    Page("GET", "/dossiers/{id}/recepisse", dossier.receipt, P.READ_DOSSIERS, "dossiers"),
    Page("POST", "/dossiers/{id}/sections/{section}", dossier.save, P.EDIT_DOSSIERS, "dossiers"),
    Page("POST", "/dossiers/{id}/soumission", dossier.submit, P.EDIT_DOSSIERS, "dossiers"),
    Page("POST", "/dossiers/{id}/renvoi", dossier.send_back, P.EDIT_DOSSIERS, "dossiers"),
    Page("POST", "/dossiers/{id}/abandon", dossier.cancel, P.EDIT_DOSSIERS, "dossiers"),
    Page("POST", "/dossiers/{id}/etat", dossier.move, P.EDIT_DOSSIERS, "dossiers"),
    Page("POST", "/dossiers/{id}/transmissions", dossier.transmit, P.EDIT_DOSSIERS, "dossiers"),
    Page("POST", "/dossiers/{id}/validation", dossier.validate, P.VALIDATE_DOSSIERS, "dossiers"),
    Page("POST", "/dossiers/{id}/depot", dossier.file, P.VALIDATE_DOSSIERS, "dossiers"),
    Page("GET", "/guichet", desk.index, P.DESK, "guichet"),
    Page("GET", "/guichet/{number}", desk.show, P.DESK, "guichet"),
    Page("POST", "/guichet/{number}/decision", desk.decide, P.DESK, "guichet"),
    Page("GET", "/recherche", search.show, P.SEARCH, "recherche"),
    Page("GET", "/risques", risks.index, P.READ_ALERTS, "risques"),
    Page("GET", "/risques/detail", risks.show, P.READ_ALERTS, "risques"),
    Page("GET", "/sources", sources.index, P.READ_SOURCES, "sources"),
    Page("GET", "/indicateurs", indicators.index, P.READ_RULES, "indicateurs"),
    Page("GET", "/alarmes", alarms.index, P.READ_RULES, "regles"),
    Page("POST", "/alarmes/{id}", alarms.act, P.TUNE_RULES, "regles"),
    Page("GET", "/regles", rules.index, P.READ_RULES, "regles"),
    Page("GET", "/regles/navigator.json", rules.layer, P.READ_RULES, "regles"),
    Page("GET", "/regles/{id}", rules.show, P.READ_RULES, "regles"),
    Page("GET", "/regles/{id}/essai", trials.show, P.READ_RULES, "regles"),
    Page("POST", "/regles/{id}/essai", trials.act, P.SEARCH, "regles"),
    Page("GET", "/regles/{id}/filtre", tuning.show, P.READ_RULES, "regles"),
    Page("POST", "/regles/{id}/filtre", tuning.write, P.TUNE_RULES, "regles"),
    Page("GET", "/identites/revelation", identities.ask, P.REVEAL_IDENTITY),
    Page("POST", "/identites/revelation", identities.reveal, P.REVEAL_IDENTITY),
)

_LOG: Final = logging.getLogger(__name__)
_STATIC: Final = Path(__file__).parent / "static"


def routes(services: Services) -> list[BaseRoute]:
    """The routes of the console, ready for any Starlette application."""
    router = Router(services, environment(), load())
    return [*(router.route(page) for page in PAGES), Mount("/static", _Static(services.provider))]


def mount(app: Starlette, services: Services) -> None:
    """Add the console to ``app``, with its pages for an unknown address and for a bug (a number; the text goes to the log alone)."""
    router = Router(services, environment(), load())
    app.router.routes.extend(routes(services))

    def unknown(request: Request, error: Exception) -> Response:
        if not _reads_pages(request):
            return JSONResponse({"detail": getattr(error, "detail", "Not Found")}, status_code=404)
        return secured(problem_page(router.visit(request), NotFound()), services.provider)

    def bug(request: Request, _error: Exception) -> Response:
        # Starlette raises the error again after this answer: the traceback follows this line in the server's log.
        number = secrets.token_hex(4)
        _LOG.error("bug %s on %s %s", number, request.method, request.url.path)
        if not _reads_pages(request):
            return JSONResponse({"detail": f"error {number}"}, status_code=500)
        return secured(problem_page(router.visit(request), Problem(500, "bug", detail=number)), services.provider)

    app.add_exception_handler(404, unknown)
    app.add_exception_handler(500, bug)


def _reads_pages(request: Request) -> bool:
    """Whether a person's browser asks, rather than a program that speaks to another interface of the same application."""
    return "text/html" in request.headers.get("accept", "")


class _Static(StaticFiles):
    """Our style sheets and scripts, with the safe headers; always revalidated, so that an update is seen at once."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(directory=_STATIC)
        self._provider = provider

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return secured(response, self._provider)
