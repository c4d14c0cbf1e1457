"""A provider in a temporary folder, a browser, and a phone that signs: what the tests of login pages, phone and APIs stand on."""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.testclient import TestClient

from idp.app import create_app
from idp.clock import Clock
from idp.model import Account, Client
from idp.people.file import SAMPLES, read_people
from idp.settings import Environment, Settings

BASE_URL = "http://127.0.0.1:8800"
CAMILLE, LUCAS, SUSPENDED, NOBODY = "899700000005", "899700000039", "899700000138", "899700001003"
START = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
REDIRECT_URI = "https://dossier.example/retour"
SECRET = "a" * 43
PEOPLE = SAMPLES


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Wall:
    """A wall clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Provider:
    """The running provider and what tests look into."""

    def __init__(self, folder: Path, client: TestClient, wall: Wall) -> None:
        self.client, self.wall, self._folder = client, wall, folder
        self.state = client.app.state.provider  # type: ignore[attr-defined]

    def call(self, work: Any) -> Any:
        """Run a store's coroutine on the provider's own loop."""
        portal = self.client.portal
        assert portal is not None
        return portal.call(lambda: work)

    def audit(self, *actions: str) -> list[dict[str, Any]]:
        """The events of the log, of these actions only where any are named."""
        lines = (self._folder / "audit.ndjson").read_text("utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        return [event for event in events if not actions or event["event.action"] in actions]

    def browser(self, address: str = "203.0.113.7", language: str = "fr") -> "Browser":
        return Browser(self, address, language)

    def control(self, method: str, path: str, document: Any = None) -> Any:
        return self.client.request(method, f"{BASE_URL}/control/v1/{path}", json=document)

    def phone(self, national_id: str, pin: str = "2580") -> "Phone":
        code = self.control("POST", "enrolments", {"national_id": national_id}).json()["activation_code"]
        return Phone(self, code, pin)

    def administrator(self, scope: str) -> dict[str, str]:
        """The Authorization header of the watch's own token."""
        form = {"grant_type": "client_credentials", "scope": scope, "client_id": "veilleur-siem", "client_secret": SECRET}
        answer = self.client.post(f"{self.state.issuer}/protocol/openid-connect/token", data=form)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


class Browser:
    """One person's browser: its own cookies, no redirect followed."""

    def __init__(self, provider: Provider, address: str, language: str) -> None:
        self._provider = provider
        self.cookies: dict[str, str] = {}
        #: The code_verifier of the last login begun.
        self.verifier = ""
        self._headers = {"X-Forwarded-For": address, "User-Agent": "Mozilla/5.0 Firefox/140.0", "Accept-Language": language}

    def request(self, method: str, path: str, **more: Any) -> Any:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {**self._headers, **({"Cookie": cookie} if cookie else {})}
        client = self._provider.client
        client.cookies.clear()
        answer = client.request(method, f"{BASE_URL}{path}", headers=headers, follow_redirects=False, **more)
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def begin(self, **parameters: str) -> str:
        """Ask for a login as the service does; the path of the login page."""
        self.verifier = secrets.token_urlsafe(32)
        query = {
            "client_id": "dossier",
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": "openid identity",
            "state": "s-1",
            "code_challenge": b64u(hashlib.sha256(self.verifier.encode()).digest()),
            "code_challenge_method": "S256",
            **parameters,
        }
        answer = self.request("GET", "/auth", params=query)
        assert answer.status_code == 303, answer.text
        return urlsplit(answer.headers["location"]).path

    def identify(self, login: str, national_id: str, **fields: str) -> Any:
        """Fill the form of the login page."""
        form = {"csrf": csrf_of(self.get(login).text), "national_id": national_id, **fields}
        return self.request("POST", login, data=form)

    def wait(self, login: str) -> Any:
        return self.get(f"{login}/wait")

    def state(self, login: str) -> str:
        return str(self.get(f"{login}/state").json()["state"])

    def code(self, login: str) -> str:
        """The number a person reads."""
        found = re.search(r'id="code"[^>]*>(\d\d)<', self.wait(login).text)
        assert found
        return found.group(1)


class Phone:
    """An enrolled device with a real key."""

    def __init__(self, provider: Provider, activation_code: str, pin: str = "2580", name: str = "Téléphone") -> None:
        self.provider, self.pin = provider, pin
        self.key = ec.generate_private_key(ec.SECP256R1())
        document = {"activation_code": activation_code, "name": name, "public_jwk": public_jwk(self.key), "pin": pin}
        self.enrolment = provider.client.post(f"{BASE_URL}/phone/api/devices", json=document)
        self.device_id = self.enrolment.json().get("device_id", "")

    def proof(self, method: str, url: str, body: bytes = b"", **claims: Any) -> str:
        header = {"alg": "ES256", "typ": "veilleur-device+jwt", "kid": self.device_id}
        payload = {
            "htm": method,
            "htu": url,
            "iat": int(self.provider.wall().timestamp()),
            "jti": secrets.token_urlsafe(16),
            "body_sha256": b64u(hashlib.sha256(body).digest()),
            **claims,
        }
        return sign(self.key, header, payload)

    def send(self, method: str, path: str, body: bytes = b"", *, proof: str | None = None) -> Any:
        url = f"{BASE_URL}{path}"
        headers = {"Authorization": f"Device {proof or self.proof(method, url, body)}", "X-Forwarded-For": "192.0.2.9"}
        return self.provider.client.request(method, url, headers=headers, content=body)

    def questions(self) -> list[dict[str, Any]]:
        answer = self.send("GET", "/phone/api/approvals")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["approvals"]
        return found

    def answer(self, question: dict[str, Any], decision: str, choice: str = "", **members: str) -> Any:
        document = {"decision": decision, "choice": choice, "pin": self.pin, "challenge": question["challenge"], **members}
        return self.send("POST", f"/phone/api/approvals/{question['id']}", json.dumps(document).encode())


def public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": b64u(numbers.x.to_bytes(32)), "y": b64u(numbers.y.to_bytes(32))}


def sign(key: ec.EllipticCurvePrivateKey, header: dict[str, Any], payload: dict[str, Any]) -> str:
    signing_input = f"{b64u(json.dumps(header).encode())}.{b64u(json.dumps(payload).encode())}"
    r, s = decode_dss_signature(key.sign(signing_input.encode(), ec.ECDSA(SHA256())))
    return f"{signing_input}.{b64u(r.to_bytes(32) + s.to_bytes(32))}"


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, page[:500]
    return found.group(1)


def query_of(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


@contextmanager
def running_provider(folder: Path, **settings: Any) -> Iterator[Provider]:
    """A provider with the demonstration's people, two clients and a clock that stands still."""
    wall = Wall()
    chosen = {"environment": Environment.DEVELOPMENT, "control_api": True, "trusted_proxies": ("127.0.0.0/8",), **settings}
    app = create_app(Settings(state=folder, base_url=BASE_URL, **chosen), clock=Clock(wall))
    with TestClient(app, base_url=BASE_URL, client=("127.0.0.1", 50000)) as client:
        provider = Provider(folder, client, wall)
        for account in read_people(PEOPLE):
            provider.call(_put_account(provider, account))
        for registered in _clients():
            provider.call(_put_client(provider, registered))
        yield provider


async def _put_account(provider: Provider, account: Account) -> None:
    await provider.state.store.accounts.put(account)


async def _put_client(provider: Provider, client: Client) -> None:
    await provider.state.store.clients.put(client)


def _clients() -> tuple[Client, ...]:
    secret = hashlib.sha256(SECRET.encode()).hexdigest()
    return (
        Client(
            client_id="dossier",
            client_name="Dossier patient",
            redirect_uris=(REDIRECT_URI,),
            scope=frozenset({"openid", "identity"}),
            client_secret_hash=secret,
            structure_name="Centre hospitalier d’Exemple",
            structure_finess="0B0000005",
        ),
        Client(
            client_id="overreaching",
            client_name="Service trop curieux",
            redirect_uris=(REDIRECT_URI,),
            scope=frozenset({"openid", "sessions:read"}),
            token_endpoint_auth_method="client_secret_post",
            client_secret_hash=secret,
        ),
        Client(
            client_id="veilleur-siem",
            client_name="La veille",
            grant_types=("client_credentials",),
            scope=frozenset({"sessions:read", "sessions:revoke", "accounts:suspend"}),
            token_endpoint_auth_method="client_secret_post",
            client_secret_hash=secret,
        ),
    )
