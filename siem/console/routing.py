"""The one way from a request to a page: who asks, may they, was it meant; then the page; then the safe headers.

A page is one line of a table (:class:`Page`) that declares what it asks for. Nothing else in the console decides on access,
except each service's own scoping of objects to the person's establishments.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from siem.access import PERMISSIONS, Permission
from siem.console import sessions, users
from siem.console.language import Language, choose
from siem.console.services import Provider, Services
from siem.console.visit import PREFERENCES_COOKIE, Form, NotFound, Preferences, Problem, Visit
from siem.declarations import model as declarations
from siem.errors import OperationError
from siem.incidents import model as incidents

#: A form of ours is far below this; a larger body is refused before it is read.
_LARGEST_BODY: Final = 512 * 1024
_MOST_FIELDS: Final = 2000


@dataclass(frozen=True, slots=True)
class Page:
    """One route. ``permission`` None: any logged-in person; ``public``: nobody needs to be logged in."""

    method: str
    path: str
    handler: Callable[[Visit], Response]
    permission: Permission | None = None
    section: str = ""
    public: bool = False


@dataclass(frozen=True, slots=True)
class Router:
    """Turns pages into routes. ``languages`` by code."""

    services: Services
    environment: Environment
    languages: dict[str, Language]

    def route(self, page: Page) -> Route:
        """The Starlette route of a page."""

        async def endpoint(request: Request) -> Response:
            body = await _body(request) if page.method == "POST" else b""
            return await run_in_threadpool(self.answer, page, request, body)

        return Route(page.path, endpoint, methods=[page.method], name=f"{page.method} {page.path}")

    def answer(self, page: Page, request: Request, body: bytes | None) -> Response:
        """The page, or the page that says why not; never without the safe headers."""
        visit = self.visit(request, page.section)
        try:
            response = self._allowed(page, visit, body)
        except Problem as problem:
            response = problem_page(visit, problem)
        except _REFUSALS as error:
            response = problem_page(visit, _problem(error))
        return secured(response, self.services.provider)

    def visit(self, request: Request, section: str = "") -> Visit:
        """What is known of the request before any decision: session, person, language."""
        services = self.services
        now = services.clock()
        preferences = Preferences.from_cookie(request.cookies.get(PREFERENCES_COOKIE))
        code = choose(request.query_params.get("langue") or preferences.language, request.headers.get("accept-language"))
        visit = Visit(request, services, self.environment, self.languages[code], preferences, now, section)
        token = request.cookies.get(session_cookie(services.provider))
        if not token:
            return visit
        with services.database.reading() as connection:
            session = sessions.find(connection, token, now, services.lifetimes)
            person = users.find(connection, session.subject) if session else None
        if session is None or person is None:
            return visit
        if sessions.is_stale(session, now) and request.url.path != "/flux":  # the live counters are not a person at work
            with services.database.transaction() as connection:
                sessions.touch(connection, session, now)
        return replace(visit, session=session, person=person)

    def _allowed(self, page: Page, visit: Visit, body: bytes | None) -> Response:
        if body is None:
            raise Problem(413, "too_large")
        if not page.public:
            if visit.person is None or visit.session is None:
                return _ask_to_log_in(page, visit)
            if page.permission is not None and not visit.person.may(page.permission):
                raise Problem(403, "not_allowed", permission=page.permission)
        if page.method == "POST":
            visit = replace(visit, form=_form(body))
            _meant(visit)
        return page.handler(visit)


def session_cookie(provider: Provider) -> str:
    """The name of the session cookie; the prefix makes browsers insist on https, this host and the root path."""
    return "__Host-veilleur_console" if provider.secure else "veilleur_console"


def problem_page(visit: Visit, problem: Problem) -> Response:
    """What failed, what is safe, what to do; for a missing permission, who has it."""
    holders = [role for role, granted in PERMISSIONS.items() if problem.permission in granted]
    return visit.render("problem.html", status=problem.status, problem=problem, holders=holders)


def secured(response: Response, provider: Provider) -> Response:
    """The headers of every answer. Nothing inline, nothing from elsewhere; logging out may lead to the provider only."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(provider.issuer))
    headers = response.headers
    headers["Content-Security-Policy"] = (
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {origin}; require-trusted-types-for 'script'"
    )
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
    headers.setdefault("Cache-Control", "no-store")
    if provider.secure:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response


def safe_return(path: str) -> str:
    """A path of ours to come back to, or the home page: never another host (CWE-601)."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and not _host_of(path) and "\\" not in path
    return path if inside and path.isprintable() else "/"


def _host_of(url: str) -> str | None:
    """Host and port of an address, empty where it names none; None for what is no address."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return None


#: How the services say no; anything else is a bug and becomes a 500 without its text.
_REFUSALS: Final = (incidents.NotFound, incidents.Forbidden, incidents.Refused, declarations.DeclarationRefused, OperationError)


def _problem(error: Exception) -> Problem:
    """The page that a service's refusal becomes."""
    match error:
        case incidents.NotFound() | declarations.DossierAbsent():
            return NotFound()
        case incidents.Forbidden():
            return Problem(403, "not_allowed", permission=error.permission)
        case declarations.NotAllowed():
            return Problem(403, "not_allowed", permission=Permission.VALIDATE_DOSSIERS, detail=str(error))
        case incidents.Refused():
            return Problem(422, "refused", detail=error.problem)
        case declarations.DeclarationRefused():
            return Problem(409, "refused", detail=str(error))
        case OperationError():
            return Problem(503, "unavailable_retry" if error.retry_helps else "unavailable", detail=str(error))
        case _:
            raise error


async def _body(request: Request) -> bytes | None:
    """The whole body, or None when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            return None
    return bytes(body)


def _form(body: bytes) -> Form:
    try:
        return Form(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, strict_parsing=False))
    except ValueError as error:
        raise Problem(400, "unreadable") from error


def _meant(visit: Visit) -> None:
    """The form comes from a page of ours shown to this session (OWASP CSRF: token, and origin where the browser tells it)."""
    origin = visit.request.headers.get("origin")
    if origin not in (None, "null") and _host_of(origin) != visit.request.headers.get("host"):
        raise Problem(403, "forged")
    expected = visit.session.csrf if visit.session else ""
    if not expected or not hmac.compare_digest(expected.encode(), visit.form.get("csrf").encode()):
        raise Problem(403, "forged")


def _ask_to_log_in(page: Page, visit: Visit) -> Response:
    if page.method != "GET" or page.section == "live":
        raise Problem(401, "logged_out")
    target = visit.request.url.path + (f"?{visit.request.url.query}" if visit.request.url.query else "")
    return RedirectResponse(f"/connexion?retour={quote(target, safe='')}", status_code=303)
