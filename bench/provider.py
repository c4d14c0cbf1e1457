"""The identity provider under load: a real process on loopback, its store on the disk, its audit log written.

Rates are per CPU-second of the provider's process, so that the load generator beside it costs them nothing. Each is measured in
slices, and between the slices what it is held against: raw signatures with the provider's own keys, a peer that gets the same
requests (:mod:`bench.peer`), and the same server doing nothing but what an answer cannot do without (:mod:`bench.floor`).
"""

import asyncio
import base64
import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final, cast
from urllib.parse import urlencode, urljoin

import yaml
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bench import load, machine, peer
from bench.clock import child_running, cpu_seconds, resident_megabytes
from bench.report import Reference, Row
from deploy.demo.phone import Phone, wall
from deploy.demo.services import AccessLog, RelyingParty
from deploy.demo.stage import Server, run_command
from deploy.demo.wire import Browser, Refused
from idp.people.file import SAMPLES
from idp.state import KeyPlaces, open_state

HERE: Final = Path(__file__).resolve().parent
_PEOPLE_AT_ONCE: Final = 8
_REDIRECT_URI: Final = "http://127.0.0.1:8899/retour"
_PIN: Final = "2468"
#: Each row is measured so many times, and what it is held against in between: the machine is not equally fast from second to second.
_SLICES: Final = 5
#: Requests of a login besides the one for tokens: to the login, its page, the answer, the wait, the phone twice, the wait, back, userinfo.
_STEPS: Final = 9

Measure = Callable[[float], float]


@dataclass(slots=True)
class _Process:
    """A server that is measured."""

    base_url: str
    pid: int = 0

    def rate(self, work: Callable[[], int]) -> float:
        """Units of work per CPU-second that it spent on them."""
        before = cpu_seconds(self.pid)
        done = work()
        return done / (cpu_seconds(self.pid) - before)

    def answers(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Measure:
        """Answers per CPU-second to one request sent over and over."""
        url = f"{self.base_url}{path}"
        return lambda seconds: self.rate(lambda: load.send(method, url, dict(headers or {}), body, seconds=seconds).answered)


@dataclass(slots=True)
class _Bench:
    """Who is measured beside whom. ``peer`` is None where there is none; ``no_peer`` then says why."""

    ours: _Process
    floor: _Process
    secrets: dict[str, str]
    keys: dict[str, peer.PrivateKey]
    seconds: float
    peer: _Process | None = None
    peer_name: str = ""
    peer_token: str = ""
    realm: str = field(init=False, default="/auth/realms/esante-wallet")

    def endpoint(self, name: str) -> str:
        return f"{self.realm}/protocol/openid-connect/{name}"

    def basic(self, client_id: str) -> dict[str, str]:
        credentials = base64.b64encode(f"{client_id}:{self.secrets[client_id]}".encode()).decode()
        return {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"}

    def row(self, name: str, budget: float | None, ours: Measure, beside: Mapping[str, Measure], theirs: Measure | None = None) -> Row:
        """One row: all of it in slices by turns, the median of each, and the spread of ours. The first slices only warm up."""
        measures = {"": ours, **beside, **({self.peer_name: theirs} if theirs else {})}
        found: dict[str, list[float]] = {each: [] for each in measures}
        for _ in range(1 + _SLICES):
            for each, measure in measures.items():
                found[each].append(measure(self.seconds / _SLICES))
        for values in found.values():
            del values[0]
        rates = found.pop("")
        others = [Reference(median(values), each) for each, values in found.items()]
        if theirs is None and self.peer is None:
            others.append(Reference(None, self.peer_name))
        spread = (min(rates), max(rates))
        return Row(name=name, value=median(rates), unit="/CPU-s", budget=budget, spread=spread, others=tuple(others))


def rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Every measure of the provider; ``folder`` is empty and ours, ``seconds`` what each measure takes."""
    ports = [_free_port() for _ in range(3)]
    base_url = f"http://127.0.0.1:{ports[0]}"
    environment, secrets = _make(folder, ports[0])
    with ExitStack() as stack:
        server = Server(
            "idp", ["idp.cli", "serve"], environment, folder, f"{base_url}/auth/realms/esante-wallet/.well-known/openid-configuration"
        )
        begun = time.monotonic()
        server.start()
        stack.callback(server.stop)
        server.wait_ready()
        ready_after = time.monotonic() - begun
        ours = _Process(base_url, child_running("idp.cli"))
        started = cpu_seconds(ours.pid)
        yield Row(name="IdP: start to first answer", value=ready_after, unit="s", budget=1.0, lower_is_better=True)
        yield Row(name="IdP: processor time of that start", value=started, unit="CPU-s")
        yield Row(name="IdP: memory after start", value=resident_megabytes(ours.pid), unit="MB", budget=90, lower_is_better=True)
        floor = _Process(f"http://127.0.0.1:{ports[1]}")
        keys = _keys(folder / "idp", base_url)
        bench = _Bench(ours, floor, secrets, keys, seconds)
        floor_environment = {**environment, "IDP_PORT": str(ports[1]), "IDP_BASE_URL": floor.base_url, "IDP_STATE": str(folder / "floor")}
        floor_server = Server("floor", ["bench.floor"], floor_environment, folder, f"{floor.base_url}/server")
        floor_server.start()
        stack.callback(floor_server.stop)
        floor_server.wait_ready()
        floor.pid = child_running("bench.floor")
        try:
            found = stack.enter_context(peer.running(ports[2], secrets, keys, folder / "peer.log"))
        except peer.Absent as absent:
            bench.peer_name = str(absent)
        else:
            bench.peer, bench.peer_name, bench.peer_token = _Process(found.base_url, found.pid), found.name, found.access_token
        # Whatever is loaded or compiled once is no part of a request: the first logins have all of it done.
        visits = _visits(bench, folder)
        yield from _tokens(bench)
        yield from _documents(bench)
        yield from _people(bench, visits)
        yield Row(name="IdP: memory after all this", value=resident_megabytes(ours.pid), unit="MB")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _make(folder: Path, port: int) -> tuple[dict[str, str], dict[str, str]]:
    """A provider made for the measures: its environment, and the secrets of its clients."""
    unlimited = str(10**9)
    environment = {
        "IDP_ENVIRONMENT": "development",
        "IDP_CONTROL_API": "true",
        "IDP_STATE": str(folder / "idp"),
        "IDP_PORT": str(port),
        "IDP_BASE_URL": f"http://127.0.0.1:{port}",
        # One person on one phone logs in thousands of times: what limits attempts would end the measure.
        "IDP_CLIENT_FAILURE_LIMIT_COUNT": unlimited,
        "IDP_ACCOUNT_ATTEMPT_LIMIT_COUNT": unlimited,
        "IDP_SOURCE_ATTEMPT_LIMIT_COUNT": unlimited,
        "IDP_AUTHORIZATION_LIMIT_COUNT": unlimited,
    }
    secrets = folder / "secrets.json"
    files = {"--clients": HERE / "clients.yaml", "--accounts": SAMPLES, "--secrets-out": secrets}
    run_command(["idp.cli", "init", *(str(part) for pair in files.items() for part in pair)], environment)
    return environment, json.loads(secrets.read_text("utf-8"))


def _keys(state_folder: Path, issuer: str) -> dict[str, peer.PrivateKey]:
    """The very keys that the provider signs with, by algorithm."""

    async def read() -> dict[str, peer.PrivateKey]:
        places = KeyPlaces(seal_key=state_folder / "seal.key", may_create_seal_key=False)
        state = open_state(state_folder, places=places, issuer=issuer, clock=lambda: datetime.now(UTC))
        await state.keys.load()
        found: dict[str, peer.PrivateKey] = {str(key.alg): cast("peer.PrivateKey", key.private_key) for key in state.keys.keys}
        await state.close()
        return found

    return asyncio.run(read())


def _tokens(bench: _Bench) -> Iterator[Row]:
    asked = {"grant_type": "client_credentials", "scope": "sessions:read"}
    rsa_key, ec_key = cast("RSAPrivateKey", bench.keys["RS256"]), cast("EllipticCurvePrivateKey", bench.keys["ES256"])
    raw: dict[str, Measure] = {
        "RS256": lambda seconds: machine.rs256(seconds / 2, rsa_key),
        "ES256": lambda seconds: machine.es256(seconds / 2, ec_key),
    }
    for algorithm, budget in (("RS256", 1_700.0), ("ES256", 5_000.0)):
        headers = bench.basic(f"bench-{algorithm.lower()}")
        ours = bench.ours.answers("POST", bench.endpoint("token"), headers, urlencode(asked).encode())
        beside = {
            f"raw {algorithm} signing": raw[algorithm],
            "floor: server, signature, line of the log": bench.floor.answers("POST", f"/{algorithm}", headers, b"x" * 60),
        }
        # There the resource says how a token is signed; without one it would not be a JWT.
        body = urlencode({**asked, "resource": f"urn:mesure:{algorithm}"}).encode()
        theirs = bench.peer.answers("POST", "/token", headers, body) if bench.peer else None
        yield bench.row(f"client_credentials, {algorithm}", budget, ours, beside, theirs)
    headers = bench.basic("bench-es256")

    def token_of(process: _Process, path: str) -> str:
        answer = Browser().request("POST", f"{process.base_url}{path}", body=urlencode(asked).encode(), headers=headers)
        token: str = answer.expect(200).json()["access_token"]
        return token

    theirs = None
    if bench.peer:
        # An opaque one, kept in its memory: it does not introspect JWTs.
        body = urlencode({"token": token_of(bench.peer, "/token")}).encode()
        theirs = bench.peer.answers("POST", "/token/introspection", headers, body)
    yield _introspections(bench, "introspection of a client's own token", lambda: token_of(bench.ours, bench.endpoint("token")), theirs)


def _introspections(bench: _Bench, name: str, token: Callable[[], str], theirs: Measure | None, *, client_id: str = "bench-es256") -> Row:
    """A live token of each slice's own, asked about by its client again and again for less time than it lives."""
    headers = bench.basic(client_id)

    def ours(seconds: float) -> float:
        body = urlencode({"token": token()}).encode()
        return bench.ours.answers("POST", bench.endpoint("token/introspect"), headers, body)(min(seconds, 60))

    floor = bench.floor.answers("POST", "/look-up", headers, b"x" * 700)
    return bench.row(name, 5_500, ours, {"floor: server, two look-ups, line of the log": floor}, theirs)


def _documents(bench: _Bench) -> Iterator[Row]:
    floor = {"floor: server": bench.floor.answers("GET", "/server")}
    discovery = "/.well-known/openid-configuration"
    for name, path, theirs in (("JWKS", bench.endpoint("certs"), "/jwks"), ("discovery", f"{bench.realm}{discovery}", discovery)):
        yield bench.row(name, 15_000, bench.ours.answers("GET", path), floor, bench.peer.answers("GET", theirs) if bench.peer else None)


def _visits(bench: _Bench, folder: Path) -> "list[_Visit]":
    people = [person["national_id"] for person in yaml.safe_load(SAMPLES.read_text("utf-8"))["people"]][:_PEOPLE_AT_ONCE]
    visits = [_Visit(bench, folder, person) for person in people]
    for visit in visits:
        visit.log_in()
    return visits


def _people(bench: _Bench, visits: "list[_Visit]") -> Iterator[Row]:
    """Several people log in side by side, each on their own phone: the store groups what they wait for. Then what their tokens give."""

    def log_in_again_and_again(visit: _Visit, seconds: float) -> int:
        done, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            visit.log_in()
            done += 1
        return done

    def logins(seconds: float) -> float:
        with ThreadPoolExecutor(len(visits)) as pool:
            return bench.ours.rate(lambda: sum(pool.map(log_in_again_and_again, visits, [seconds] * len(visits))))

    step, tokens = bench.floor.answers("POST", "/step", {}, b"x" * 60), bench.floor.answers("POST", "/tokens", {}, b"x" * 200)
    floor = {"floor: ten answers, their rows and lines, two signatures": lambda s: 1 / (_STEPS / step(s / 2) + 1 / tokens(s / 2))}
    ec_key = cast("EllipticCurvePrivateKey", bench.keys["ES256"])
    raw = {"raw ES256 signing": lambda seconds: machine.es256(seconds / 2, ec_key)}
    yield bench.row("full PSC login (authorize, approval, token, userinfo)", 300, logins, raw | floor)
    yield _introspections(bench, "introspection of a person's token, which is stored", visits[0].log_in, None, client_id="bench-login")

    def userinfo(seconds: float) -> float:
        headers = {"Authorization": f"Bearer {visits[0].log_in()}"}
        return bench.ours.answers("GET", bench.endpoint("userinfo"), headers)(min(seconds, 60))

    theirs = bench.peer.answers("GET", "/me", {"Authorization": f"Bearer {bench.peer_token}"}) if bench.peer else None
    yield bench.row("userinfo (ours: the whole tree of a professional)", None, userinfo, {}, theirs)


class _Visit:
    """One person with their phone, at one service."""

    def __init__(self, bench: _Bench, folder: Path, national_id: str) -> None:
        self._national_id = national_id
        base_url = bench.ours.base_url
        control = f"{base_url}/control/v1/enrolments"
        enrolment = Browser().send_json("POST", control, {"national_id": national_id}).expect(200, 201).json()
        self._phone = Phone(base_url, enrolment["activation_code"], _PIN, "Mesure")
        secret, log = bench.secrets["bench-login"], AccessLog(folder / "access.log")
        self._service = RelyingParty("bench-login", secret, _REDIRECT_URI, "openid scope_all", f"{base_url}{bench.realm}", log)

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
