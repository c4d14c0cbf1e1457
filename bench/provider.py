"""The identity provider under load: a real process on loopback, its store on the disk, its audit log written.

Rates are per CPU-second of the provider's process, so that the load generator beside it costs them nothing.
"""

import base64
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urljoin

import yaml

from bench import load, machine
from bench.clock import child_running, cpu_seconds, resident_megabytes
from bench.report import Row
from deploy.demo.phone import Phone, wall
from deploy.demo.services import AccessLog, RelyingParty
from deploy.demo.stage import Server, run_command
from deploy.demo.wire import Browser, Refused
from idp.people.file import SAMPLES

HERE = Path(__file__).resolve().parent
_PEOPLE_AT_ONCE = 8
_REDIRECT_URI = "http://127.0.0.1:8899/retour"
_PIN = "2468"


@dataclass(slots=True)
class _Provider:
    """A provider made for the measures, and who may ask it."""

    base_url: str
    server: Server
    secrets: dict[str, str]
    pid: int = 0

    @property
    def issuer(self) -> str:
        return f"{self.base_url}/auth/realms/esante-wallet"

    def endpoint(self, name: str) -> str:
        return f"{self.issuer}/protocol/openid-connect/{name}"

    def basic(self, client_id: str) -> dict[str, str]:
        credentials = base64.b64encode(f"{client_id}:{self.secrets[client_id]}".encode()).decode()
        return {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"}

    def answers(self, method: str, url: str, headers: dict[str, str], body: bytes, seconds: float) -> float:
        """Answers per CPU-second to one request sent over and over."""
        return self.rate(lambda: load.send(method, url, headers, body, seconds=seconds).answered)

    def rate(self, work: Callable[[], int]) -> float:
        """Units of work per CPU-second that the provider spent on them."""
        before = cpu_seconds(self.pid)
        done = work()
        return done / (cpu_seconds(self.pid) - before)


def rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Every measure of the provider; ``folder`` is empty and ours, ``seconds`` what each measure takes."""
    provider = _make(folder)
    begun = time.monotonic()
    provider.server.start()
    try:
        provider.server.wait_ready()
        ready_after = time.monotonic() - begun
        provider.pid = child_running("idp.cli")
        megabytes = resident_megabytes(provider.pid)
        yield Row(name="IdP: start to first answer", value=ready_after, unit="s", budget=1.0, lower_is_better=True)
        yield Row(name="IdP: memory after start", value=megabytes, unit="MB", budget=90, lower_is_better=True)
        yield from _tokens(provider, seconds)
        yield from _documents(provider, seconds)
        yield from _people(provider, folder, seconds)
    finally:
        provider.server.stop()


def _make(folder: Path) -> _Provider:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base_url = f"http://127.0.0.1:{port}"
    unlimited = str(10**9)
    environment = {
        "IDP_ENVIRONMENT": "development",
        "IDP_CONTROL_API": "true",
        "IDP_STATE": str(folder / "idp"),
        "IDP_PORT": str(port),
        "IDP_BASE_URL": base_url,
        # One person on one phone logs in thousands of times: what limits attempts would end the measure.
        "IDP_CLIENT_FAILURE_LIMIT_COUNT": unlimited,
        "IDP_ACCOUNT_ATTEMPT_LIMIT_COUNT": unlimited,
        "IDP_SOURCE_ATTEMPT_LIMIT_COUNT": unlimited,
        "IDP_AUTHORIZATION_LIMIT_COUNT": unlimited,
    }
    secrets = folder / "secrets.json"
    files = {"--clients": HERE / "clients.yaml", "--accounts": SAMPLES, "--secrets-out": secrets}
    run_command(["idp.cli", "init", *(str(part) for pair in files.items() for part in pair)], environment)
    ready = f"{base_url}/auth/realms/esante-wallet/.well-known/openid-configuration"
    server = Server("idp", ["idp.cli", "serve"], environment, folder, ready)
    return _Provider(base_url, server, json.loads(secrets.read_text("utf-8")))


def _tokens(provider: _Provider, seconds: float) -> Iterator[Row]:
    body = urlencode({"grant_type": "client_credentials", "scope": "sessions:read"}).encode()
    peers = (("RS256", 1_700.0, machine.rs256), ("ES256", 5_000.0, machine.es256))
    for algorithm, budget, raw in peers:
        limit = raw(min(seconds, 2.0))
        headers = provider.basic(f"bench-{algorithm.lower()}")
        rate = provider.answers("POST", provider.endpoint("token"), headers, body, seconds)
        name = f"client_credentials, {algorithm}"
        yield Row(name=name, value=rate, unit="/CPU-s", budget=budget, limit=limit, limit_name=f"raw {algorithm} signing")
    headers = provider.basic("bench-es256")
    token = Browser().request("POST", provider.endpoint("token"), body=body, headers=headers).expect(200).json()["access_token"]
    yield Row(name="introspection of a client's own token", value=_introspections(provider, token, seconds), unit="/CPU-s", budget=5_500)


def _introspections(provider: _Provider, token: str, seconds: float) -> float:
    """One live token, asked about again and again, for less time than it lives."""
    headers, asked = provider.basic("bench-es256"), urlencode({"token": token}).encode()
    return provider.rate(
        lambda: load.send("POST", provider.endpoint("token/introspect"), headers, asked, seconds=min(seconds, 60)).answered
    )


def _documents(provider: _Provider, seconds: float) -> Iterator[Row]:
    for name, url in (("JWKS", provider.endpoint("certs")), ("discovery", f"{provider.issuer}/.well-known/openid-configuration")):
        rate = provider.answers("GET", url, {}, b"", seconds)
        yield Row(name=name, value=rate, unit="/CPU-s", budget=15_000)


def _people(provider: _Provider, folder: Path, seconds: float) -> Iterator[Row]:
    """Several people log in side by side, each on their own phone: the store groups what they wait for. Then one of their tokens."""
    people = [person["national_id"] for person in yaml.safe_load(SAMPLES.read_text("utf-8"))["people"]][:_PEOPLE_AT_ONCE]
    visits = [_Visit(provider, folder, person) for person in people]
    for visit in visits:
        visit.log_in()  # what is read or compiled once is no part of a login

    def log_in_again_and_again(visit: _Visit) -> int:
        done, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            visit.log_in()
            done += 1
        return done

    with ThreadPoolExecutor(len(visits)) as pool:
        rate = provider.rate(lambda: sum(pool.map(log_in_again_and_again, visits)))
    yield Row(name="full PSC login (authorize, approval, token, userinfo)", value=rate, unit="/CPU-s", budget=300)
    rate = _introspections(provider, visits[0].log_in(), seconds)
    yield Row(name="introspection of a person's token, which is stored", value=rate, unit="/CPU-s", budget=5_500)


class _Visit:
    """One person with their phone, at one service."""

    def __init__(self, provider: _Provider, folder: Path, national_id: str) -> None:
        self._national_id = national_id
        control = f"{provider.base_url}/control/v1/enrolments"
        enrolment = Browser().send_json("POST", control, {"national_id": national_id}).expect(200, 201).json()
        self._phone = Phone(provider.base_url, enrolment["activation_code"], _PIN, "Mesure")
        secret, log = provider.secrets["bench-login"], AccessLog(folder / "access.log")
        self._service = RelyingParty("bench-login", secret, _REDIRECT_URI, "openid scope_all", provider.issuer, log)

    def log_in(self) -> str:
        """In a new browser, from the service's redirect to its look at who it is; the access token."""
        browser, pending = Browser(), self._service.begin()
        waiting = browser.submit(browser.open(pending.url), "identify", national_id=self._national_id)
        code = re.search(r'id="code"[^>]*>\s*(\d\d)', waiting.answer.text())
        if code is None:
            raise Refused(f"{waiting.answer.url} shows no code to compare")
        self._phone.answer(self._phone.approvals(wall())[-1], "approve", wall(), code=code.group(1))
        url = waiting.answer.url
        while not url.startswith(_REDIRECT_URI):
            url = urljoin(url, browser.get(url).expect(302, 303).headers["Location"])
        return self._service.complete(pending, url).access_token
