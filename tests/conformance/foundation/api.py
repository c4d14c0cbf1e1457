"""The suite's own programming interface: plans, modules, what they wait for, what they found."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx
import orjson

#: A module that has come to its end, well or not.
ENDED: Final = frozenset({"FINISHED", "INTERRUPTED"})
_POLL_MS: Final = 25_000


@dataclass(frozen=True, slots=True)
class Visit:
    """An address that the suite wants a browser to go to."""

    url: str
    method: str


class Suite:
    """A running suite in its development mode, where no one needs to log in."""

    def __init__(self, base_url: str, authority: Path) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(
            base_url=f"{self.base_url}/api", verify=ssl.create_default_context(cafile=authority), timeout=60, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def server(self) -> dict[str, Any]:
        """Its version and the commit it was built from."""
        return self._json("GET", "/server")

    def create_plan(self, name: str, variant: Mapping[str, str], configuration: Mapping[str, Any]) -> dict[str, Any]:
        """The plan's identifier and its modules; raises httpx.HTTPStatusError with the suite's words."""
        return self._json("POST", "/plan", {"planName": name, "variant": orjson.dumps(variant).decode()}, configuration)

    def create_module(self, plan_id: str, module: str, variant: Mapping[str, str]) -> str:
        """The module's identifier; it begins to run unless it waits to be started."""
        query = {"test": module, "plan": plan_id, "variant": orjson.dumps(variant).decode()}
        return str(self._json("POST", "/runner", query)["id"])

    def start(self, module_id: str) -> None:
        """Start a module that waits for it."""
        self._json("POST", f"/runner/{module_id}")

    def stop(self, module_id: str) -> None:
        """Give a module up."""
        self._http.delete(f"/runner/{module_id}")

    def wait(self, module_id: str, states: frozenset[str], wait_ms: int = _POLL_MS) -> str | None:
        """The state reached, one of these or INTERRUPTED; None when time is over."""
        query = {"states": ",".join(sorted(states | {"INTERRUPTED"})), "timeoutMs": str(wait_ms)}
        state = self._json("GET", f"/runner/{module_id}/wait-state", query).get("state")
        return str(state) if state else None

    def visits(self, module_id: str) -> list[Visit]:
        """Where a browser is still to go, in order."""
        browser = self._json("GET", f"/runner/{module_id}").get("browser") or {}
        return [Visit(entry["url"], entry["method"]) for entry in browser.get("urlsWithMethod") or ()]

    def visited(self, module_id: str, url: str) -> None:
        """Say that a browser went there."""
        self._http.post(f"/runner/browser/{module_id}/visit", params={"url": url}).raise_for_status()

    def info(self, module_id: str) -> dict[str, Any]:
        """``status`` and ``result`` of a module."""
        return self._json("GET", f"/info/{module_id}")

    def log(self, module_id: str) -> list[dict[str, Any]]:
        """Everything that a module wrote down."""
        answer = self._http.get(f"/log/{module_id}").raise_for_status()
        entries: list[dict[str, Any]] = answer.json()
        return entries

    def pictures_wanted(self, module_id: str) -> list[str]:
        """Places in the log that wait for a picture of a page."""
        return [entry["upload"] for entry in self.log(module_id) if "upload" in entry and "img" not in entry]

    def show_picture(self, module_id: str, place: str, picture: str) -> None:
        """Fill such a place with a data URL; a person will have to look at it (``REVIEW``)."""
        headers = {"Content-Type": "text/plain"}
        self._http.post(f"/log/{module_id}/images/{place}", content=picture, headers=headers).raise_for_status()

    def _json(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        answer = self._http.request(method, path, params=query, json=body)
        if answer.is_error:
            raise RuntimeError(f"the suite refuses {method} {path} ({answer.status_code}): {answer.text[:500]}")
        document: dict[str, Any] = answer.json() if answer.content else {}
        return document
