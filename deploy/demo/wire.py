"""A small browser for the player: keep-alive connections, cookies, redirects, forms.

Written on http.client because the night makes thousands of requests and a full client library would cost
more than the provider it talks to.
"""

import http.client
import json
import re
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit


class Refused(Exception):
    """The other side answered something the player did not expect; the message says what was asked and what came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response. ``url`` is what was asked for."""

    url: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode("utf-8", "replace")

    def expect(self, *statuses: int) -> "Answer":
        """Itself, or Refused when the status is another one."""
        if self.status not in statuses:
            raise Refused(f"{self.url} answered {self.status}, not {' or '.join(map(str, statuses))}: {self.text()[:300]}")
        return self


@dataclass(slots=True)
class Form:
    """One HTML form: where it goes, and its fields with the values it was served with."""

    id: str
    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._form: Form | None = None
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in a:
            self.links.append(a["href"])
        if tag == "form":
            self._form = Form(a.get("id", ""), a.get("action", ""), a.get("method", "get").lower())
            self.forms.append(self._form)
        form = next((f for f in self.forms if f.id and f.id == a.get("form")), self._form)
        if form is None:
            return
        name = a.get("name", "")
        if tag == "input" and name:
            self._input(form, name, a)
        elif tag == "button" and name:
            form.buttons.append((name, a.get("value", "")))
        elif tag == "select" and name:
            self._select = name
            form.fields.setdefault(name, [])
        elif tag == "option" and self._select:
            value = a.get("value", "")
            form.options.setdefault(self._select, []).append(value)
            if "selected" in a:
                form.fields[self._select].append(value)
        elif tag == "textarea" and name:
            self._textarea = name
            form.fields[name] = [""]

    @staticmethod
    def _input(form: Form, name: str, a: dict[str, str]) -> None:
        kind = a.get("type", "text")
        if kind in ("radio", "checkbox"):
            form.options.setdefault(name, []).append(a.get("value", "on"))
            form.fields.setdefault(name, [])
            if "checked" in a:
                form.fields[name].append(a.get("value", "on"))
        elif kind == "submit":
            form.buttons.append((name, a.get("value", "")))
        else:
            form.fields.setdefault(name, []).append(a.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            if self._form and self._select and not self._form.fields[self._select] and self._form.options.get(self._select):
                self._form.fields[self._select].append(self._form.options[self._select][0])
            self._select = None
        elif tag == "textarea":
            self._textarea = None

    def handle_data(self, data: str) -> None:
        if self._textarea and self._form:
            self._form.fields[self._textarea][0] += data


@dataclass(frozen=True, slots=True)
class Page:
    """What a person sees: the answer, its forms and its links."""

    answer: Answer
    forms: tuple[Form, ...]
    links: tuple[str, ...]

    def form(self, form_id: str) -> Form:
        """The form of that id, or Refused with the ids that are there."""
        for form in self.forms:
            if form.id == form_id:
                return form
        raise Refused(f"{self.answer.url} has no form {form_id!r}; it has {[f.id for f in self.forms]}: {self.answer.text()[:200]}")

    def form_to(self, pattern: str) -> Form | None:
        """The first form whose action matches the whole pattern."""
        return next((form for form in self.forms if re.fullmatch(pattern, urlsplit(form.action).path)), None)


class Browser:
    """One person's browser, or one service's HTTP client. ``address`` is announced as the proxy would."""

    def __init__(
        self, address: str = "", user_agent: str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    ) -> None:
        self.address = address
        self.user_agent = user_agent
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self._cookies: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        """Close the connections kept for the next request."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def __del__(self) -> None:
        """A browser nobody uses any more keeps no connection."""
        self.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        follow: bool = False,
        patience_seconds: float = 0,
    ) -> Answer:
        """Send one request; with ``follow``, also what it redirects to.

        ``patience_seconds``: how long to wait for a server that is away.
        """
        give_up_at = time.monotonic() + patience_seconds
        while True:
            try:
                answer = self._once(method, url, body, headers or {})
                break
            except (ConnectionError, http.client.HTTPException, TimeoutError) as error:
                if time.monotonic() >= give_up_at:
                    raise Refused(f"{url} cannot be reached: {error}") from error
                time.sleep(0.05)
        while follow and answer.status in (301, 302, 303, 307, 308):
            target = urljoin(answer.url, answer.headers["Location"])
            answer = self._once("GET", target, None, {})
        return answer

    def get(self, url: str, *, follow: bool = False, **headers: str) -> Answer:
        """GET, with headers by keyword (``Authorization=…``)."""
        return self.request("GET", url, headers=headers, follow=follow)

    def post_form(self, url: str, fields: dict[str, Any], *, follow: bool = False, **headers: str) -> Answer:
        """POST as a form; a list value is sent several times."""
        body = urlencode(fields, doseq=True).encode()
        return self.request("POST", url, body=body, headers={"Content-Type": "application/x-www-form-urlencoded", **headers}, follow=follow)

    def send_json(self, method: str, url: str, document: Any, **headers: str) -> Answer:
        """Send a JSON document."""
        return self.request(method, url, body=json.dumps(document).encode(), headers={"Content-Type": "application/json", **headers})

    def open(self, url: str) -> Page:
        """A page as a person reaches it, redirects followed."""
        return _page(self.get(url, follow=True).expect(200))

    def submit(self, page: Page, form: str | Form, **values: Any) -> Page:
        """Fill a form of a page (by id, or itself), send it, and follow."""
        if isinstance(form, str):
            form = page.form(form)
        fields: dict[str, Any] = {**form.fields, **values}
        url = urljoin(page.answer.url, form.action)
        return _page(self.post_form(url, fields, follow=True, Origin=_origin(url)).expect(200))

    def _once(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        jar = self._cookies.setdefault(origin, {})
        sent = {"User-Agent": self.user_agent, "Accept-Language": "fr", **headers}
        if self.address:
            sent["X-Forwarded-For"] = self.address
        if jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        target = parts.path + (f"?{parts.query}" if parts.query else "") or "/"
        connection = self._connections.get(origin)
        reused = connection is not None
        if connection is None:
            connection = self._connections[origin] = http.client.HTTPConnection(parts.netloc, timeout=30)
        try:
            connection.request(method, target, body=body, headers=sent)
            response = connection.getresponse()
        except (ConnectionError, http.client.HTTPException):
            connection.close()
            del self._connections[origin]
            if reused:  # the server closed an idle connection: not a failure, ask once more on a new one
                return self._once(method, url, body, headers)
            raise
        content = response.read()
        for line in response.headers.get_all("Set-Cookie") or ():
            self._keep(jar, line)
        return Answer(url, response.status, response.headers, content)

    @staticmethod
    def _keep(jar: dict[str, str], line: str) -> None:
        pair, *attributes = line.split(";")
        name, _, value = pair.strip().partition("=")
        expired = any(a.strip().lower() == "max-age=0" for a in attributes)
        if expired or not value or value == '""':
            jar.pop(name, None)
        else:
            jar[name] = value


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _page(answer: Answer) -> Page:
    parser = _Forms()
    if "html" in (answer.headers["Content-Type"] or ""):
        parser.feed(answer.text())
    return Page(answer, tuple(parser.forms), tuple(parser.links))
