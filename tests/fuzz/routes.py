"""Every route of both programs, in this process: whatever a request holds, the answer is no fault of ours.

A request is text: its line, headers, an empty line, a body. ``@name@`` stands for a credential that only the running application has, so
that a changed request still gets past the door. The seeds come from the applications' own lists of routes: a new one is tried at once.
"""

import base64
import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from sqlalchemy import select
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient

from siem.console import PAGES
from siem.incidents.store import alerts
from siem.response.store import runs
from tests.fuzz.target import Shape, Target
from tests.idp.endpoints.console.entering import CLIENTS, administering
from tests.idp.registering import INITIAL, Registrar
from tests.idp.wire import PERSON, SECRET, Wire, client
from tests.siem.console.world import LEAD, World

_FORM: Final = "application/x-www-form-urlencoded"
#: Scopes of the whole administration, and of event streams.
_ADMIN: Final = (
    "sessions:read sessions:revoke accounts:suspend accounts:read clients:read clients:write keys:read keys:rotate audit:read "
    "ssf.manage ssf.read"
)


class Fault(Exception):
    """An answer of status 500 and above, where nobody raised anything that could be shown."""


class _Trouble(logging.Handler):
    """Keeps the last exception that an application logged before it answered."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.last = record.exc_info[1]


class Application:
    """An ASGI application with its lifespan begun, spoken to in the bytes of a request."""

    def __init__(self, http: TestClient, credentials: Mapping[str, str], ports: Callable[[str], int], *, alone: bool = False) -> None:
        self._http, self._ports = http, ports
        #: Where what it stands on is away on purpose, it may say so.
        self._tolerated = {503} if alone else frozenset[int]()
        self._credentials = {f"@{name}@".encode(): value.encode() for name, value in credentials.items()}
        self._trouble = _Trouble()
        for name in ("idp", "siem"):
            logging.getLogger(name).addHandler(self._trouble)

    def ask(self, data: bytes) -> int:
        """The status of the answer. Raises what the application stumbled over."""
        for name, value in self._credentials.items():
            data = data.replace(name, value)
        head, _, body = data.partition(b"\n\n")
        first, *lines = head.split(b"\n")
        method, _, target = first.partition(b" ")
        path, _, query = target.partition(b"?")
        # What no server would hand on: they refuse it themselves (tests/attacks/test_oversized_input.py).
        if not re.fullmatch(rb"[A-Z]{1,20}", method) or not path.startswith(b"/") or re.search(rb"[\x00-\x20\x7f-\xff]", target):
            return 400
        pairs = [tuple(part.strip() for part in line.partition(b":")[::2]) for line in lines if b":" in line]
        named = [(name.lower(), value) for name, value in pairs if re.fullmatch(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name)]
        text = quote(path, safe="/%:@!$&'()*+,;=~-._")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method.decode(),
            "path": _unquoted(path),
            "raw_path": text.encode(),
            "query_string": query,
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1:8800"), *named],
            "client": ("203.0.113.9", 50000),
            "server": ("127.0.0.1", self._ports(_unquoted(path))),
            "state": {},
        }
        return self._spoken(scope, body)

    def _spoken(self, scope: dict[str, Any], body: bytes) -> int:
        waiting: list[dict[str, object]] = [{"type": "http.request", "body": body, "more_body": False}]
        statuses: list[int] = []

        async def receive() -> dict[str, object]:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        self._trouble.last = None
        portal = self._http.portal
        assert portal is not None
        portal.call(self._http.app, scope, receive, send)
        if statuses and statuses[0] >= 500 and statuses[0] not in self._tolerated:
            raise self._trouble.last or Fault(f"{scope['method']} {scope['path']} was answered by {statuses[0]}")
        return statuses[0] if statuses else 0


def _unquoted(path: bytes) -> str:
    return unquote_to_bytes(path).decode("utf-8", "replace")


_RUNNING = ExitStack()


def stop() -> None:
    """End what was started; the next request starts it again."""
    _RUNNING.close()
    for started in (_provider, _watch):
        started.cache_clear()


@cache
def _provider() -> Application:
    folder = _folder("provider")
    console = _RUNNING.enter_context(administering(folder, client_registration=True, attempt_window="PT1S"))
    console.enter()
    wire = console.wire
    wire.call(lambda provider: provider.store.accounts.put(_OTHER))
    Registrar(wire, None).grant(use_count=1_000_000)  # type: ignore[arg-type]  # nothing is fetched
    machine = _machine(wire)
    (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', console.get(CLIENTS).text)) or {""}
    credentials = {
        "basic": _basic("baseline"),
        "machine": machine,
        "person": wire.tokens(scope="openid profile identity")["access_token"],
        "session": wire.log_in("fuzz"),
        "admin": "; ".join(f"{name}={value}" for name, value in console.cookies.items()),
        "csrf": csrf,
        "initial": INITIAL,
    }
    return Application(wire.http, credentials, lambda path: 8801 if path.startswith(("/admin", "/metrics")) else 8800)


#: Whom requests are about: not the administrator who sends them, whose session they would end.
_OTHER: Final = replace(PERSON, id="5f0c7a52-0000-4000-8000-000000000002", national_id="899700000039")


def _machine(wire: Wire) -> str:
    """A token of a client that may do everything in the administration."""
    scope = frozenset(_ADMIN.split())
    wire.call(lambda provider: provider.store.clients.put(client("steward", grant_types=("client_credentials",), scope=scope)))
    token: str = wire.post("token", "steward", grant_type="client_credentials", scope=_ADMIN).json()["access_token"]
    return token


def _basic(client_id: str) -> str:
    return base64.b64encode(f"{client_id}:{SECRET}".encode()).decode()


@cache
def _watch() -> Application:
    world = World(_folder("watch"))
    _RUNNING.callback(world.close)
    incident = world.play_the_night()
    dossier = world._open_dossier(incident, LEAD).id
    http = _RUNNING.enter_context(TestClient(world.app, raise_server_exceptions=True))
    browser = world.client(LEAD)
    cookie = browser.cookies["veilleur_console"]
    (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', browser.get("/preferences").text))
    with world.database.reading() as connection:
        alert, run = connection.scalar(select(alerts.c.id)), connection.scalar(select(runs.c.id))
    credentials = {
        "console": f"veilleur_console={cookie}",
        "csrf": csrf,
        "incident": incident.id,
        "dossier": dossier,
        "alert": alert,
        "run": run,
        "rule": next(iter(world.services.rules)),
        "leaving": f"veilleur_console={world.session(LEAD)}",
    }
    return Application(http, {name: str(value) for name, value in credentials.items()}, lambda _path: 80, alone=True)


def _folder(name: str) -> Path:
    return Path(_RUNNING.enter_context(tempfile.TemporaryDirectory(prefix=f"veilleur-fuzz-{name}-")))


# ------------------------------------------------------------------------------------------------ where requests begin
_CONNECT: Final = "/auth/realms/esante-wallet/protocol/openid-connect"
_ASK: Final = (
    "client_id=baseline&response_type=code&redirect_uri=https%3A%2F%2Fservice.example%2Fretour&scope=openid&state=s&nonce=n&prompt=login"
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&max_age=60&acr_values=eidas2&ui_locales=fr-FR"
    "&claims=%7B%22id_token%22%3A%7B%22acr%22%3Anull%7D%7D&id_token_hint=e30.e30.AA&login_hint=899700000039&response_mode=form_post"
)
_EVERYTHING: Final = (
    "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fservice.example%2Fretour&code_verifier=v&refresh_token=r&token=t&scope=openid"
    "&subject_token=t&login_hint=899700000039&user_code=BCDF-GHJK&national_id=899700000039&csrf=@csrf@&decision=continue"
)
_BODIES: Final[Mapping[str, str]] = {
    "/admin/v1/sessions/search": '{"national_id": "899700000039"}',
    "/admin/v1/revocations": '{"national_id": "899700000039", "reason": "r", "reference": "i"}',
    "/admin/v1/accounts/search": '{"national_id": "899700000039"}',
    "/admin/v1/clients/x": '{"client_name": "A", "redirect_uris": ["https://a.example/"], "jwks": {"keys": []}, "scope": "openid"}',
    "/admin/v1/keys/rotate": '{"alg": "RS512", "lead_hours": 1}',
    "/admin/v1/audit/search": '{"from_at": "2026-11-22T00:00:00Z", "to_at": null, "action": "login.failed", "limit": 5, "reference": "x"}',
    "/ssf/v1/stream": '{"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://a.example/", "authorization_header": "x"}, '
    '"events_requested": ["https://schemas.openid.net/secevent/caep/event-type/session-revoked"], "description": "d", "stream_id": "x"}',
    "/ssf/v1/status": '{"stream_id": "x", "status": "enabled", "reason": "r"}',
    "/ssf/v1/poll/x": '{"maxEvents": 0, "ack": ["a"], "setErrs": {"b": {"err": "e"}}, "returnImmediately": true}',
    "/phone/api/devices": '{"activation_code": "7K3D9QXA00001111", "name": "n", "public_jwk": {"kty": "EC"}, "pin": "1234"}',
    "/control/v1/clock": '{"by_seconds": 0.001}',
    "/control/v1/enrolments": '{"national_id": "899700000039"}',
    "/auth/realms/esante-wallet/clients-registrations/openid-connect": '{"client_name": "A", "redirect_uris": ["https://a.example/"]}',
}
#: Forms of the console that need more than their token to be understood.
_FIELDS: Final = (
    "csrf=@csrf@&alertes=@alert@&alerte=@alert@&action=prendre&verdict=faux_positif&commentaire=c&note=n&etat=en_cours&personne=899700000029"
    "&de=2026-11-22T03%3A14&a=2026-11-22T04%3A14&echeance=2026-12-24&motif=m&responsable=r&raison=incident&pseudonyme=P-4F7K2M9QXA&version=1"
    "&incident.date_constat=2026-11-22T03%3A14&incident.resume=r&structure.finess_eg=0B0000005&langue=en&theme=dark&date=2026-11-22T03%3A14"
    "&playbook=p&decision=approuver&justification=j&donnees_sante=oui&reference=x&regime=cnil&q=user.id%3Ax&periode=7j&apres=2026-11-22~x"
)
_QUERY: Final = (
    "q=user.id%3AP-1&periode=7j&page=2&tri=x&etat=nouvelle&de=2026-11-22T03%3A14&a=2026-11-22T04%3A14&apres=x~y&retour=%2F&langue=en"
)


def _paths(routes: Iterable[BaseRoute]) -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in routes
        if isinstance(route, Route)
        for method in sorted(route.methods or {"GET"})
        if method != "HEAD"
    ]


@cache
def provider_routes() -> tuple[tuple[str, str], ...]:
    """(method, path) of everything that the provider serves on both of its ports, as its own lists of routes say."""
    http = _provider()._http
    app: Any = http.app
    framework = app.framework.build()
    described = [(method.upper(), path) for path, methods in framework.openapi()["paths"].items() for method in methods]
    pages = [one for one in _paths(framework.routes) if one[1].startswith("/administration")]
    return tuple(dict.fromkeys([*_paths(app.routes), *described, *pages]))


def _provider_seed(method: str, path: str) -> bytes:
    path = re.sub(r"\{[^}]*\}", "x", path)
    json_body = _BODIES.get(path) or ('{"reason": "r", "national_id": "899700000039"}' if "/v1/" in path or "/api/" in path else "")
    headers = [f"content-type: {'application/json' if json_body else _FORM}", "user-agent: Mozilla/5.0", "accept-language: fr, en;q=0.5"]
    if path.startswith(("/admin/", "/ssf/")):
        headers += ["authorization: Bearer @machine@", "idempotency-key: k-1"]
    elif path.startswith("/administration"):
        headers += ["cookie: @admin@", "origin: http://127.0.0.1:8801"]
    elif "userinfo" in path:
        headers += ["authorization: Bearer @person@", "dpop: e30.e30.AA"]
    elif "clients-registrations" in path:
        headers += ["authorization: Bearer @initial@"]
    elif path.startswith(_CONNECT) and not path.endswith(("/auth", "/logout")):
        headers += ["authorization: Basic @basic@", "dpop: e30.e30.AA", "accept: application/token-introspection+jwt"]
    else:
        headers += ["cookie: @session@; veilleur_lang=en", "x-forwarded-for: 192.0.2.1", "authorization: Device e30.e30.AA"]
    body = "" if method == "GET" else json_body or (_ASK if path.endswith(("/auth", "/par/request")) else _EVERYTHING)
    query = f"?{_ASK}" if method == "GET" and path.endswith("/auth") else "?lang=en&user_code=BCDF-GHJK&national_id=899700000039"
    return "\n".join([f"{method} {path}{query}", *headers, "", body]).encode()


def _watch_seed(method: str, path: str) -> bytes:
    named = {"run": "@run@", "section": "identification", "step": "x", "number": "D-1", "id": "x"}
    for prefix, name in (("/alertes", "@alert@"), ("/incidents", "@incident@"), ("/dossiers", "@dossier@"), ("/regles", "@rule@")):
        if path.startswith(prefix):
            named["id"] = name
    filled = re.sub(r"\{(\w+)\}", lambda match: named[match[1]], path)
    body = "" if method == "GET" else _FIELDS
    cookie = "@leaving@" if path == "/deconnexion" else "@console@"
    headers = [f"cookie: {cookie}; veilleur_preferences=language=en", "accept: text/html", f"content-type: {_FORM}", "accept-language: fr"]
    return "\n".join([f"{method} {filled}?{_QUERY}", *headers, *(["origin: http://127.0.0.1:8800"] if body else []), "", body]).encode()


#: The stream of the console's counters has no end.
_ENDLESS: Final = "/flux"


def _provider_seeds() -> tuple[bytes, ...]:
    return tuple(_provider_seed(method, path) for method, path in provider_routes())


def _watch_seeds() -> tuple[bytes, ...]:
    return tuple(_watch_seed(page.method, page.path) for page in PAGES if page.path != _ENDLESS)


#: What only whole requests reach.
READS: Final = ("idp/endpoints", "idp/app.py", "idp/http.py", "idp/sessions.py", "siem/console")


def targets() -> tuple[Target, ...]:
    """Made when they are asked for: their seeds need the applications."""
    return (
        Target(
            name="provider-routes",
            parse=lambda data: _provider().ask(data),
            shape=Shape.REQUEST,
            reads=READS,
            seeds=_provider_seeds(),
        ),
        Target(
            name="watch-routes",
            parse=lambda data: _watch().ask(data),
            shape=Shape.REQUEST,
            reads=READS,
            seeds=_watch_seeds(),
        ),
    )
