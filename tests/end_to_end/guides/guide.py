"""A page of docs/how-to as its reader uses it: titled blocks become files, two ports are their own, what is installed is kept."""

import fcntl
import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

import httpx
import yaml
from playwright.sync_api import Browser, Page

from idp.testing import DevProvider, running
from tests.end_to_end.conftest import free_port

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"
DOCTOR, DOCTOR_NAME = "899700000005", "CAMILLE"
#: What a reader may have to change, as docs/how-to/README.md says: the provider's port and the service's. Nothing else is replaced.
PROVIDER_PORT, SERVICE_PORT = "8800", "8080"
#: Less than the ten seconds before which the services of the guides renew a token, and enough to ask userinfo with it.
SHORT_TOKEN_SECONDS = 9
PATIENCE_SECONDS = 30
PATIENCE_MS = 1000 * PATIENCE_SECONDS

_TITLED = re.compile(r"^```\w+ title=(?P<title>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def titled_blocks(page: str) -> dict[str, str]:
    """The blocks of a page that carry a file's name, as printed."""
    return {found["title"]: found["text"] for found in _TITLED.finditer((HOW_TO / page).read_text("utf-8"))}


class Guide:
    """One page in a folder of its own. Every titled block must have been written or read once :meth:`check_used` is called."""

    def __init__(self, page: str, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self._blocks = titled_blocks(page)
        self._ports: dict[str, str] = {}
        self._used: set[str] = set()

    def settle(self, *, provider: int | None = None, service: int | None = None) -> None:
        """The ports that stand for those of the page from now on."""
        chosen = ((PROVIDER_PORT, provider), (SERVICE_PORT, service))
        self._ports |= {printed: str(port) for printed, port in chosen if port is not None}

    def text(self, title: str) -> str:
        """A block as its reader types it."""
        self._used.add(title)
        return re.sub(r"\b(8800|8080)\b", lambda found: self._ports.get(found[1], found[1]), self._blocks[title])

    def write(self, *titles: str) -> Path:
        """The blocks as files; the path of the first."""
        for title in titles:
            path = self.folder / title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.text(title), "utf-8")
        return self.folder / titles[0]

    def install(self, title: str, *needed: str, kept_in: Path, gives: str) -> None:
        """Run the block ``title``, which makes the folder ``gives`` out of the blocks ``needed``; what it made is kept for the next run."""
        texts = [self.text(name) for name in (title, *needed)]
        place = kept_in / hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
        place.mkdir(parents=True, exist_ok=True)
        with (place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (place / "done").exists():
                for name, text in zip((title, *needed), texts, strict=True):
                    (place / name).write_text(text, "utf-8")
                made = subprocess.run(["sh", "-eu", title], cwd=place, capture_output=True, text=True, timeout=240, check=False)
                assert made.returncode == 0, made.stderr[-3000:]
                (place / "done").touch()
        (self.folder / gives).symlink_to(place / gives)

    def write_clients(self, *, told: bool = True) -> Path:
        """The registrations as printed, at a provider whose access tokens are so short that services renew them at each page.

        ``told``: whether the provider tells services of the end of a session, as Pro Santé Connect may not.
        """
        path = self.write("clients.yaml")
        document = yaml.safe_load(path.read_text("utf-8"))
        for client in document["clients"]:
            client.setdefault("quirks", {})["access_token_seconds"] = SHORT_TOKEN_SECONDS
            if not told:
                del client["backchannel_logout_uri"]
        path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
        return path

    def log(self, title: str) -> str:
        """What the block ``title`` has said since it runs."""
        return (self.folder / f"{title}.log").read_text("utf-8")

    def check_used(self) -> None:
        """Nothing of the page was left out."""
        assert set(self._blocks) == self._used, f"{self.page}: blocks that no test uses"

    @contextmanager
    def running(self, title: str, answers_at: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
        """The block ``title``, a command that runs until it is stopped, ready once ``answers_at`` answers anything."""
        with self.running_script(title, self.text(title), answers_at, patience_seconds=patience_seconds):
            yield

    @contextmanager
    def running_script(self, title: str, script: str, answers_at: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
        """The same for a command of the test's own, for what Debian starts."""
        arguments = ["sh", "-eu", "-c", script]
        with (self.folder / f"{title}.log").open("w") as out:
            process = subprocess.Popen(arguments, cwd=self.folder, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            ready = until(lambda: answers(answers_at) or process.poll() is not None, patience_seconds)
            assert ready, f"no answer at {answers_at}: {self.log(title)[-3000:]}"
            assert process.poll() is None, self.log(title)[-3000:]
            yield
        except BaseException:
            print(self.log(title)[-6000:])
            raise
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(15)


@dataclass(frozen=True, slots=True)
class Service:
    """A service made of a page's blocks: where it answers, and the provider that it asks."""

    address: str
    guide: Guide
    provider: DevProvider


@contextmanager
def service_of(
    page: str, folder: Path, kept: Path, *, installs: Sequence[str], gives: str, files: Sequence[str], told: bool = True
) -> Iterator[Service]:
    """The blocks ``clients.yaml``, ``install.sh`` (which reads ``installs``), ``files`` and ``run.sh`` as their reader uses them."""
    guide, port = Guide(page, folder), free_port()
    guide.settle(service=port)
    with running("--clients", str(guide.write_clients(told=told))) as provider:
        guide.settle(provider=urlsplit(provider.base_url).port)
        guide.install("install.sh", *installs, kept_in=kept, gives=gives)
        guide.write(*files)
        address = f"http://127.0.0.1:{port}/"
        with guide.running("run.sh", address):
            yield Service(address, guide, provider)
    guide.check_used()


def answers(address: str) -> bool:
    """Whether anything answers there."""
    try:
        with urlopen(address, timeout=10):
            return True
    except HTTPError:
        return True
    except (URLError, ConnectionError, TimeoutError):
        return False


def until(is_so: Callable[[], bool], patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it becomes so within our patience."""
    give_up_at = time.monotonic() + patience_seconds
    while not is_so():
        if time.monotonic() > give_up_at:
            return False
        Event().wait(0.1)
    return True


def window(chromium: Browser) -> tuple[Page, list[dict[str, str]]]:
    """A person's browser, with nothing in it yet; and the authorization requests that pass through it, as they come."""
    context = chromium.new_context(locale="fr-FR", timezone_id="Europe/Paris", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    asked: list[dict[str, str]] = []
    # The provider's own path; a broker has another one.
    context.on(
        "request", lambda sent: asked.append(dict(parse_qsl(urlsplit(sent.url).query))) if urlsplit(sent.url).path == "/auth" else None
    )
    return context.new_page(), asked


def assert_asked_for(asked: list[dict[str, str]], *, pkce: bool = True) -> None:
    """Every request was as Pro Santé Connect wants it, with a state and a nonce that are never used twice."""
    assert asked
    for request in asked:
        assert (request["response_type"], set(request["scope"].split())) == ("code", {"openid", "scope_all"})
        assert "eidas1" in request["acr_values"].split()
        assert not pkce or (request["code_challenge_method"], len(request["code_challenge"])) == ("S256", 43)
    begun = [request for request in asked if "state" in request]
    assert len({request["state"] for request in begun}) == len({request["nonce"] for request in begun}) == len(begun)


def answer_login(page: Page, provider: DevProvider, national_id: str = DOCTOR) -> None:
    """At the provider: say who one is, and approve on the phone."""
    page.fill("#national_id", national_id)
    page.keyboard.press("Enter")
    page.wait_for_selector("#code")
    provider.answer(national_id)


def end_session_elsewhere(page: Page, provider: DevProvider) -> None:
    """The person ends the provider's session on its own page, without the service."""
    other = page.context.new_page()
    other.goto(f"{provider.issuer}/protocol/openid-connect/logout")
    other.click("#logout button")
    other.wait_for_selector("#logout", state="detached")
    other.close()


def log_in(page: Page, service: Service) -> None:
    """From the service's own page and back to it."""
    page.goto(service.address)
    page.click("#connexion")
    answer_login(page, service.provider)
    page.wait_for_url(service.address)
    page.wait_for_selector("#identifiant")


def go_in_and_out(chromium: Browser, service: Service, *, told: str) -> None:
    """A professional is seen by name and number, stays, logs out, and is logged out by an end at the provider.

    ``told``: what the service writes down each time that it is told of an end, as it is of one that it asked for.
    """
    page, asked = window(chromium)
    log_in(page, service)
    assert DOCTOR_NAME in page.inner_text("#qui")
    assert page.inner_text("#identifiant") == DOCTOR
    page.reload()
    page.wait_for_selector("#identifiant")
    for text in ("", "a.b.c"):
        assert httpx.post(f"{service.address}fin-de-session", data={"logout_token": text}).status_code == 400
    page.click("#deconnexion")
    page.wait_for_url(f"{service.address}au-revoir*")
    log_in(page, service)  # the provider asks again who it is: its session is over too
    assert_asked_for(asked)
    end_session_elsewhere(page, service.provider)
    assert until(lambda: service.guide.log("run.sh").count(told) == 2), "nobody told the service that the session is over"
    page.goto(service.address)
    page.wait_for_selector("#connexion")
    page.context.close()
