"""The analyst who approves and the director who validates, when nobody is there to click.

They use the console's pages and forms as a person does: they log in at the provider with their own phone,
read, fill what is asked, and send.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from deploy.demo.phone import Phone, wall
from deploy.demo.wire import Answer, Browser, Page, Refused


@dataclass(frozen=True, slots=True)
class Filed:
    """What came of the night: the incident and its declaration. ``receipt`` is the compact JWS."""

    incident_number: str
    incident_path: str
    dossier_path: str
    receipt: dict[str, Any]
    declaration: bytes
    pdf: bytes


class ConsolePerson:
    """Someone with a role in the watch, logged in to its console."""

    def __init__(self, console_url: str, national_id: str, phone: Phone) -> None:
        self.console_url = console_url
        self.browser = Browser("192.0.2.20")
        self._log_in(national_id, phone)

    def _log_in(self, national_id: str, phone: Phone) -> None:
        page = self.browser.open(f"{self.console_url}/connexion")
        waiting = self.browser.submit(page, "identify", national_id=national_id)
        code = re.search(r'id="code"[^>]*>\s*(\d\d)', waiting.answer.text())
        if code is None:
            raise Refused(f"{waiting.answer.url} shows no code to compare")
        question = phone.approvals(wall())[-1]
        phone.answer(question, "approve", wall(), code=code.group(1))
        landed = self.browser.open(waiting.answer.url)
        if not landed.answer.url.startswith(self.console_url):
            raise Refused(f"{national_id} logged in and landed on {landed.answer.url}, not on the console")

    def open(self, path: str) -> Page:
        """A page of the console."""
        return self.browser.open(urljoin(self.console_url, path))

    def download(self, path: str) -> Answer:
        """A file of the console."""
        return self.browser.get(urljoin(self.console_url, path)).expect(200)

    def wait_for(self, path: str, found: Callable[[Page], str | None], what: str, timeout_seconds: float = 60) -> tuple[Page, str]:
        """Reload a page until something is there; Refused after a while."""
        give_up_at = time.monotonic() + timeout_seconds
        while True:
            page = self.open(path)
            value = found(page)
            if value is not None:
                return page, value
            if time.monotonic() > give_up_at:
                raise Refused(f"{path}: {what} did not appear within {timeout_seconds:.0f} s")
            time.sleep(0.1)


def first_link(pattern: str) -> Callable[[Page], str | None]:
    """A finder for the first link whose path matches."""
    expression = re.compile(pattern)

    def find(page: Page) -> str | None:
        return next((urlsplit(link).path for link in page.links if expression.fullmatch(urlsplit(link).path)), None)

    return find
