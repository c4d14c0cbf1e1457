"""A provider in a process of its own, started for tests and stopped after them."""

import contextlib
import json
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urljoin

import httpx

#: How a person answers on the phone; ``wait`` leaves the question open, ``cancel`` goes back to the service by the page's own button.
Outcome = Literal["approve", "deny", "report", "wrong_code", "expire", "wait", "cancel"]
#: By which means a person logs in; the card is shown as the proxy of an installation would hand it on.
Means = Literal["phone", "card"]
_CARD_HEADER: Final = "X-Client-Cert"
_REDIRECTS: Final = (302, 303, 307)
#: A login passes through four of them.
_MAX_STEPS: Final = 12


class LoginStopped(AssertionError):
    """The provider did not send the person back to the service: it showed a page. The text says which and where."""


class DevProvider:
    """A running ``idp dev``. ``told`` is what it said of itself once it was ready."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.issuer: str = told["issuer"]
        self.base_url: str = told["base_url"]
        self.client_secret: str = told["client_secret"]
        #: With ``--profile fapi2``: the key with which the client proves itself (private_key_jwt), as a JWK.
        self.client_jwk: Mapping[str, str] | None = told["client_jwk"]
        self.clients: Sequence[Mapping[str, Any]] = told["clients"]
        self.people: Sequence[Mapping[str, str]] = told["people"]
        #: With ``--sandbox``: the file of the certificate authority to trust.
        self.authority: str | None = told["authority"]
        #: The card of each person by national identifier: the file of its certificate and key.
        self.cards: Mapping[str, str] = told["cards"]
        self.control_url: str = told["control_url"]
        self._control = httpx.Client(base_url=self.control_url, timeout=10, trust_env=False, verify=_trusting(told["authority"]))

    @property
    def client_id(self) -> str:
        """The first client."""
        return str(self.clients[0]["client_id"])

    def log_in(
        self,
        authorization_url: str,
        national_id: str,
        outcome: Outcome = "approve",
        browser: httpx.Client | None = None,
        *,
        means: Means = "phone",
    ) -> str:
        """Go where a service sends a browser, say who one is, answer on the phone; the address at which the service gets the browser back.

        ``browser``: one whose cookies go on (its session at the provider); by default a new one. ``means``: ``card`` shows the card
        instead, which reaches a higher level; then ``outcome`` is ``approve`` or ``cancel``. Raises :class:`LoginStopped` where the
        provider shows a page instead, such as for a client or redirect_uri that it does not know.
        """
        with contextlib.nullcontext(browser) if browser else httpx.Client(timeout=10, trust_env=False) as browser:
            answer = self._follow(browser, browser.get(authorization_url))
            if isinstance(answer, str):
                return answer
            fields = _fields(answer, "identify")
            if means == "card":
                return self._by_card(browser, answer, fields, national_id, outcome)
            fields["method"] = "device"
            answer = self._follow(browser, browser.post(answer.url, data={**fields, "national_id": national_id}))
            if isinstance(answer, str) or outcome == "wait":
                return answer if isinstance(answer, str) else str(answer.url)
            if outcome == "cancel":
                answer = self._follow(browser, browser.post(urljoin(str(answer.url), "cancel"), data=_fields(answer, "cancel")))
            else:
                self.answer(national_id, outcome)
                answer = self._follow(browser, browser.get(answer.url))
            if isinstance(answer, str):
                return answer
            raise LoginStopped(f"{answer.url} shows a page ({answer.status_code}) after «{outcome}»: {_heading(answer)}")

    def _by_card(self, browser: httpx.Client, page: httpx.Response, fields: dict[str, str], national_id: str, outcome: Outcome) -> str:
        """Choose the card on the login page, show it where the provider asks for it, and confirm or give up."""
        if outcome not in ("approve", "cancel"):
            raise ValueError(f"a card does not end as «{outcome}»: approve or cancel")
        certificate, _, _ = Path(self.cards[national_id]).read_text("ascii").partition("-----BEGIN PRIVATE KEY-----")
        answer = browser.post(page.url, data={**fields, "method": "certificate"})
        # Where the proxy of an installation would ask the browser for its certificate.
        answer = browser.get(urljoin(str(page.url), answer.headers["location"]), headers={_CARD_HEADER: quote(certificate, safe="")})
        confirming = self._follow(browser, answer)
        if isinstance(confirming, str):
            return confirming
        if outcome == "cancel":
            ended = browser.post(urljoin(str(page.url), f"{page.url.path}/cancel"), data=_fields(confirming, "cancel"))
        else:
            ended = browser.post(confirming.url, data=_fields(confirming, "confirm"))
        back = self._follow(browser, ended)
        if isinstance(back, str):
            return back
        raise LoginStopped(f"{back.url} shows a page ({back.status_code}) after a card: {_heading(back)}")

    def answer(self, national_id: str, outcome: Outcome = "approve") -> None:
        """Answer the newest question that waits for a person, of a browser or of a service (CIBA)."""
        found = self._control.get("/approvals", params={"national_id": national_id}).raise_for_status().json()["approvals"]
        if not found:
            raise LoginStopped(f"no question waits for {national_id}")
        self._control.post(f"/approvals/{found[-1]['id']}", json={"outcome": outcome}).raise_for_status()

    def spoil(self, fault: str | None, client_id: str | None = None) -> None:
        """Give the client (the first one) wrong answers from now on, which it must refuse; None: right ones again.

        Of the ID token: ``signature``, ``unknown_key``, ``unsigned``, ``issuer``, ``audience``, ``expired``, ``nonce``; of the address
        that the browser comes back by: ``response_state``, ``response_issuer``.
        """
        self._control.put(f"/clients/{client_id or self.client_id}/fault", json={"fault": fault}).raise_for_status()

    def advance(self, seconds: float) -> None:
        """Move the provider's clock on: codes, tokens and sessions age at once."""
        self._control.put("/clock", json={"by_seconds": seconds}).raise_for_status()

    def close(self) -> None:
        """Close the connections to it."""
        self._control.close()

    def _follow(self, browser: httpx.Client, answer: httpx.Response) -> httpx.Response | str:
        """The page at the end of the redirects, or the address outside of the provider that they lead to."""
        for _ in range(_MAX_STEPS):
            if answer.status_code not in _REDIRECTS:
                if '<form id="consent"' in answer.text:
                    # Shown once for a service that registered itself, and for whoever asks with prompt=consent.
                    answer = browser.post(answer.url, data=_fields(answer, "consent"))
                    continue
                if answer.status_code >= httpx.codes.BAD_REQUEST:
                    raise LoginStopped(f"{answer.url} answers {answer.status_code}: {_heading(answer)}")
                return answer
            target = urljoin(str(answer.url), answer.headers["location"])
            if not target.startswith((f"{self.base_url}/", f"{self.issuer}/")):
                return target
            answer = browser.get(target)
        raise LoginStopped(f"{answer.url}: redirected without end")


@contextlib.contextmanager
def running(*options: str) -> Iterator[DevProvider]:
    """Run ``idp dev`` with these options (such as ``--redirect-uri URL``) on a free port; it is stopped at the end.

    Raises RuntimeError with what it said where it does not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "idp.cli", "dev", "--port", "0", "--json", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None and process.stderr is not None
    said: list[str] = []
    # Its log is read as it comes: a pipe that nobody reads would stop it one day.
    reader = threading.Thread(target=lambda stream: said.extend(stream), args=(process.stderr,), daemon=True)
    reader.start()
    try:
        line = process.stdout.readline()
        if not line:
            process.wait()
            reader.join()
            raise RuntimeError(f"idp dev does not start: {''.join(said).strip()}")
        provider = DevProvider(json.loads(line))
        try:
            yield provider
        finally:
            provider.close()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()


def _trusting(authority: str | None) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=authority) if authority else True


class _Form(HTMLParser):
    """The fields of one form with the values it was served with, and the page's first heading."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.heading = ""
        self._form_id = form_id
        self._inside = self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("id") == self._form_id
        elif tag == "h1":
            self._in_heading = not self.heading
        elif tag == "input" and self._inside and "name" in given and (given.get("type") != "radio" or "checked" in given):
            self.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "h1":
            self._in_heading = False

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.heading += data


def _fields(page: httpx.Response, form_id: str) -> dict[str, str]:
    form = _Form(form_id)
    form.feed(page.text)
    if not form.fields:
        raise LoginStopped(f"{page.url} does not ask who one is: {_heading(page)}")
    return form.fields


def _heading(page: httpx.Response) -> str:
    form = _Form("")
    form.feed(page.text)
    return " ".join(form.heading.split()) or page.text[:200]
