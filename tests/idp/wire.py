"""A whole provider in a folder, and what a relying party and a logged-in browser do with it, over its real routes.

The login itself is another matter (``tests/idp/endpoints/login_flow.py``): here a session is simply there.
"""

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from starlette.testclient import TestClient

from idp.app import create_app
from idp.authorization.require_consent import wanted_consent
from idp.clock import Clock
from idp.model import Account, AccountKind, Client, Profile, Session
from idp.provider import Provider
from idp.sessions import hash_secret
from idp.settings import Environment, Settings

T = TypeVar("T")
BASE = "http://127.0.0.1:8800"
ISSUER = f"{BASE}/auth/realms/esante-wallet"
CONNECT = f"{ISSUER}/protocol/openid-connect"
START = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SECRET = "s" * 43
REDIRECT = "https://service.example/retour"
NATIONAL_ID = "899700000005"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

PERSON = Account(
    id="5f0c7a52-0000-4000-8000-000000000001",
    kind=AccountKind.PROFESSIONAL,
    national_id=NATIONAL_ID,
    given_name="CAMILLE",
    family_name="TESTEUR0000005",
)


def client(client_id: str, **members: Any) -> Client:
    """A registered client with the usual members and :data:`SECRET`."""
    made = Client(
        client_id=client_id,
        client_name=client_id.title(),
        redirect_uris=(REDIRECT, "https://service.example/autre?a=1"),
        post_logout_redirect_uris=("https://service.example/au-revoir",),
        grant_types=("authorization_code", "refresh_token"),
        scope=frozenset({"openid", "profile", "identity"}),
        client_secret_hash=hashlib.sha256(SECRET.encode()).hexdigest(),
    )
    return replace(made, **members)


CLIENTS = (
    client("baseline"),
    client("other"),
    client("psc", profile=Profile.PSC, scope=frozenset({"openid", "scope_all", "identity"}), id_token_signed_response_alg="RS256"),
    client("public", token_endpoint_auth_method="none", client_secret_hash=None),
    client("machine", grant_types=("client_credentials",), scope=frozenset({"sessions:read", "sessions:revoke"})),
    client("device", grant_types=("urn:ietf:params:oauth:grant-type:device_code",)),
    client("backchannel", grant_types=("urn:openid:params:grant-type:ciba",)),
    client(
        "exchanger",
        grant_types=("urn:ietf:params:oauth:grant-type:token-exchange",),
        scope=frozenset({"openid", "drugs:read"}),
        resources=("https://medicaments.example/fhir",),
        exchange_subject_clients=("baseline",),
    ),
    client("code-only", grant_types=("authorization_code",)),
    client("pairwise", subject_type="pairwise"),
    client("interface", serves_resources=(ISSUER,)),
)


class Wall:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Wire:
    """The running provider."""

    def __init__(self, http: TestClient, wall: Wall, folder: Path) -> None:
        self.http, self.wall, self._folder = http, wall, folder
        self.provider: Provider = http.app.state.provider  # type: ignore[attr-defined]

    def call(self, work: Callable[[Provider], Awaitable[T]]) -> T:
        """Run a coroutine on the provider's own event loop."""
        portal = self.http.portal
        assert portal is not None
        return portal.call(work, self.provider)

    def register(self, client: Client) -> None:
        """Store a client as it is."""
        self.call(lambda provider: provider.store.clients.put(client))

    def events(self, action: str | None = None) -> list[dict[str, Any]]:
        """The audit log, or the events of one action."""
        found = [json.loads(line) for line in (self._folder / "audit.ndjson").read_text("utf-8").splitlines()]
        return [event for event in found if action is None or event["event.action"] == action]

    def log_in(self, name: str = "one", **changes: Any) -> str:
        """Put a session of the person; returns the Cookie header of their browser."""
        now = self.provider.clock()
        session = Session(
            id=f"session-{name}",
            cookie_hash=hash_secret(f"cookie-{name}"),
            account_id=PERSON.id,
            method="device",
            acr="eidas2",
            amr=("hwk", "pin"),
            auth_time=now,
            last_used_at=now,
            expires_at=now + timedelta(minutes=30),
            source_ip="192.0.2.1",
            user_agent="Firefox",
        )
        self.call(lambda provider: provider.store.sessions.put(replace(session, **changes)))
        return f"veilleur_idp_sso=cookie-{name}"

    def agree(self, client_id: str, redirect_uri: str = REDIRECT) -> None:
        """The person's yes to a client that registered itself, to all that it may ask."""

        async def agree(provider: Provider) -> None:
            registered = await provider.store.clients.get(client_id)
            assert registered is not None
            asked = {"scope": " ".join(registered.scope), "redirect_uri": redirect_uri}
            now = provider.clock()
            await provider.store.consents.put(wanted_consent(registered, PERSON.id, asked, now), until=now + provider.lifetimes.consent)

        self.call(agree)

    def authorize(self, client_id: str = "baseline", *, cookie: str = "", method: str = "GET", **parameters: str | None) -> Any:
        """The authorization request as a browser sends it; a parameter given as None is left out."""
        sent = {
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": "openid",
            "state": "s-1",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **parameters,
        }
        kept = {name: value for name, value in sent.items() if value is not None}
        headers = {"Cookie": cookie} if cookie else {}
        self.http.cookies.clear()
        place = {"params": kept} if method == "GET" else {"data": kept}
        return self.http.request(method, f"{BASE}/auth", headers=headers, follow_redirects=False, **place)  # type: ignore[arg-type]

    def walked(self, answer: Any) -> Any:
        """The answer in the end: what a browser without cookies posts is asked again by GET, at our own address."""
        place = answer.headers.get("location", "")
        return self.http.get(place, follow_redirects=False) if place.startswith(f"{BASE}/auth/posted/") else answer

    def code(self, client_id: str = "baseline", *, cookie: str = "", **parameters: str | None) -> str:
        """A code for the logged-in person."""
        answer = self.authorize(client_id, cookie=cookie or self.log_in(), **parameters)
        assert answer.status_code == 303, answer.text
        return query_of(answer)["code"]

    def post(self, path: str, client_id: str | None = "baseline", /, **form: str | None) -> Any:
        """A form to an endpoint under the issuer, with the client's Basic credentials."""
        auth = (client_id, SECRET) if client_id else None
        kept = {name: value for name, value in form.items() if value is not None}
        return self.http.post(f"{CONNECT}/{path}", data=kept, auth=auth)

    def redeem(self, code: str, client_id: str | None = "baseline", /, **form: str | None) -> Any:
        """The token request for a code."""
        sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, **form}
        return self.post("token", client_id, **sent)

    def tokens(self, client_id: str = "baseline", **parameters: str | None) -> dict[str, Any]:
        """A complete token response."""
        answer = self.redeem(self.code(client_id, **parameters), client_id)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def refresh(self, value: str, client_id: str | None = "baseline", /, **form: str) -> Any:
        """The token request for a refresh token."""
        return self.post("token", client_id, grant_type="refresh_token", refresh_token=value, **form)

    def userinfo(self, access_token: str) -> Any:
        """The userinfo request with a bearer token."""
        return self.http.get(f"{CONNECT}/userinfo", headers={"Authorization": f"Bearer {access_token}"})


def query_of(answer: Any) -> dict[str, str]:
    """Parameters of the Location of a redirect."""
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def claims_of(token: str) -> dict[str, Any]:
    """The payload of a JWT, unverified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


@contextmanager
def running(folder: Path, *, peer: str = "testclient", **settings: Any) -> Iterator[Wire]:
    """A provider with :data:`CLIENTS` and :data:`PERSON`, and a clock that stands still; ``peer`` is who connects to it."""
    wall = Wall()
    app = create_app(Settings(environment=Environment.DEVELOPMENT, state=folder, base_url=BASE, **settings), clock=Clock(wall))
    with TestClient(app, base_url=BASE, client=(peer, 50000)) as http:
        wire = Wire(http, wall, folder)
        for registered in CLIENTS:
            wire.register(registered)
        wire.call(lambda provider: provider.store.accounts.put(PERSON))
        yield wire
