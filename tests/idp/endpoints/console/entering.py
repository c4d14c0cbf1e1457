"""A provider with an administration port, and the browser of an administrator, who logs in as people do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.idp.wire import BASE, NATIONAL_ID, PERSON, Wire, running

ADMIN = "http://127.0.0.1:8801"
CLIENTS = "/administration/clients"


class Console:
    """One browser: its cookies of both ports, no redirect followed."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.cookies: dict[str, str] = {}

    def request(self, method: str, url: str, **more: Any) -> Any:
        """To the administration port, or to a whole address."""
        http = self.wire.http
        http.cookies.clear()
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items()).encode("latin-1")
        headers = {"Cookie": cookie, "Accept-Language": "fr", **more.pop("headers", {})}
        answer = http.request(method, url if "://" in url else f"{ADMIN}{url}", headers=headers, follow_redirects=False, **more)
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer

    def get(self, path: str, language: str = "fr") -> Any:
        return self.request("GET", path, headers={"Accept-Language": language})

    def send(self, path: str, _from: str = CLIENTS, /, **form: str) -> Any:
        """A form of a page, with the token and the version that the page holds."""
        shown = self.get(_from).text
        held = dict(re.findall(r'name="(csrf|version)" value="([^"]+)"', shown))
        return self.request("POST", path, data={**held, **form})

    def log_in(self, name: str = "admin", **changes: Any) -> str:
        """From the button to the way back: the address, with its code, that leads to the administration port."""
        away = self.get("/administration/enter").headers["location"]
        login = self.request("GET", away).headers["location"]
        interaction_id = login.rpartition("/")[2]
        cookie = self.wire.log_in(name, **changes)
        sso, _, value = cookie.partition("=")
        self.cookies[sso] = value

        async def prove(provider: Any) -> None:
            now = provider.clock()
            found = await provider.store.interactions.get(interaction_id, now)
            await provider.store.interactions.put(replace(found, authenticated_at=now))

        self.wire.call(prove)
        back: str = self.request("GET", f"{BASE}/auth/resume/{interaction_id}").headers["location"]
        return back

    def enter(self) -> None:
        answer = self.request("GET", self.log_in())
        assert answer.status_code == 200, answer.text
        assert self.get(CLIENTS).status_code == 200


@contextmanager
def administering(folder: Path, **settings: Any) -> Iterator[Console]:
    """Somebody who may enter and has not yet."""
    with running(folder, admin_port=8801, **{"administrators": (NATIONAL_ID,), **settings}) as wire:
        yield Console(wire)


__all__ = ["ADMIN", "CLIENTS", "PERSON", "Console", "administering"]
