"""A provider and a relying party that listen on ports of this machine, for a real browser to visit."""

import asyncio
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import httpx
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request

from idp import sessions
from idp.app import create_app
from idp.clock import ordered_id
from idp.model import AuthorizationCode, Client, Session
from idp.provider import Provider
from idp.settings import Environment, Settings
from idp.tokens.issuer import hash_token
from tests.idp.wire import CHALLENGE, PERSON, SECRET, VERIFIER

T = TypeVar("T")
ARGUMENTS = ("no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run")
#: Long enough for a busy machine; nothing waits for it when all is well.
PATIENCE_MS = 20_000

#: A service's page: it asks the provider's frame about the ``session_state`` it came back with, whenever it is told to.
PARTY_PAGE = """<!doctype html><title>Service</title><iframe id="op" src="{frame}"></iframe><p id="said"></p><script>
const frame = document.getElementById("op");
addEventListener("message", (event) => {{
  if (event.source === frame.contentWindow && event.origin === "{origin}") document.getElementById("said").append(event.data + " ");
}});
function ask(message) {{ frame.contentWindow.postMessage(message, "{origin}"); }}
</script>"""


@dataclass(frozen=True, slots=True)
class Live:
    """The provider, and the loop it runs on."""

    base_url: str
    app: Starlette
    loop: asyncio.AbstractEventLoop
    #: Of the administration port.
    admin_url: str = ""

    @property
    def provider(self) -> Provider:
        provider: Provider = self.app.state.provider
        return provider

    @property
    def connect(self) -> str:
        return f"{self.provider.issuer}/protocol/openid-connect"

    def call(self, work: Callable[[Provider], Awaitable[T]]) -> T:
        async def run() -> T:
            return await work(self.provider)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30)

    def register(self, client: Client) -> None:
        self.call(lambda provider: provider.store.clients.put(client))

    def log_in(self, context: BrowserContext) -> Session:
        """A session of the person in this browser, as the login page leaves it."""
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "client": ("192.0.2.7", 1), "query_string": b""})
        session, cookie = self.call(lambda provider: sessions.start(provider, request, PERSON, "device", "eidas2", ("hwk", "pin"), None))
        seen = f"{sessions.browser_state(cookie)}.{sessions.hash_secret(session.id)}"
        kept: list[Any] = [
            {"name": "veilleur_idp_sso", "value": cookie, "url": self.base_url, "httpOnly": True, "sameSite": "Lax"},
            {"name": "veilleur_idp_state", "value": seen, "url": self.base_url, "sameSite": "Lax"},
        ]
        context.add_cookies(kept)
        return session


def sound(page: Page) -> None:
    """Without serious finding of axe, and no wider than its window."""
    found = [v["id"] for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@contextmanager
def live_provider(folder: Path, **settings: Any) -> Iterator[Live]:
    with socket.socket() as listener, socket.socket() as admin_listener:
        for each in (listener, admin_listener):
            each.bind(("127.0.0.1", 0))
        base_url, admin_url = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in (listener, admin_listener))
        chosen = {"admin_port": admin_listener.getsockname()[1], "outbound_loopback": True, **settings}
        app = create_app(Settings(state=folder, environment=Environment.DEVELOPMENT, base_url=base_url, **chosen))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        loops: SimpleQueue[asyncio.AbstractEventLoop] = SimpleQueue()

        async def serve() -> None:
            await app.state.provider.store.accounts.put(PERSON)
            listener.listen()
            admin_listener.listen()
            loops.put(asyncio.get_running_loop())
            await server.serve(sockets=[listener, admin_listener])

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        try:
            yield Live(base_url, app, loops.get(timeout=30), admin_url)
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def relying_party(pages: Callable[[str], str], *, host: str = "127.0.0.1") -> Iterator[tuple[str, SimpleQueue[str]]]:
    """A service: its origin, and the addresses that it was asked for; ``pages`` gives the page of a path."""
    asked: SimpleQueue[str] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.put(self.path)
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages(self.path).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        yield browser
        browser.close()


def launch(kind: BrowserType, *more: str) -> Browser:
    """A Chromium with further switches."""
    return kind.launch(executable_path="/usr/bin/chromium", args=[f"--{name}" for name in (*ARGUMENTS, *more)])


def window(browser: Browser, *, script: bool = True, language: str = "fr-FR", width: int = 1000) -> BrowserContext:
    """Cookies of its own, as another person's browser has."""
    context = browser.new_context(
        locale=language, viewport={"width": width, "height": 700}, java_script_enabled=script, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


def id_token(live: Live, client_id: str, redirect_uri: str, session: Session) -> str:
    """What a service gets for its code in this session."""
    value, now = secrets.token_urlsafe(32), live.provider.clock()
    code = AuthorizationCode(
        code_hash=hash_token(value),
        client_id=client_id,
        account_id=session.account_id,
        session_id=session.id,
        grant_id=ordered_id(now),
        redirect_uri=redirect_uri,
        scope=frozenset({"openid"}),
        nonce=None,
        code_challenge=CHALLENGE,
        acr=session.acr,
        amr=session.amr,
        method=session.method,
        auth_time=session.auth_time,
        expires_at=now + timedelta(minutes=1),
    )
    live.call(lambda provider: provider.store.codes.put(code))
    form = {"grant_type": "authorization_code", "code": value, "redirect_uri": redirect_uri, "code_verifier": VERIFIER}
    answer = httpx.post(f"{live.connect}/token", data=form, auth=(client_id, SECRET))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id_token"])
