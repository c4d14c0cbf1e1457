"""What was used up stays used up, when the process is killed and when the power is cut (docs/decisions/0020).

A kill takes back nothing. A cut may take back what was only noted: whoever would gain by that has to have been answered for it,
so at each such answer nothing may be left that is only noted.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.idp.endpoints.login_flow import CAMILLE, Provider, running_provider
from tests.idp.wire import VERIFIER, Wire, running

_ROOT = Path(__file__).parents[2]
_PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from tests.idp.wire import CHALLENGE, REDIRECT, running

with running(Path(sys.argv[1])) as wire:
    cookie = wire.log_in()
    used, open_code, wrong = (wire.code(cookie=cookie) for _ in range(3))
    first = wire.redeem(used).json()
    second = wire.refresh(first["refresh_token"]).json()
    wire.redeem(wrong, code_verifier="x" * 43)
    own = wire.post("token", "machine", grant_type="client_credentials").json()["access_token"]
    wire.post("revoke", "machine", token=own)
    asked = {"response_type": "code", "redirect_uri": REDIRECT, "scope": "openid", "code_challenge": CHALLENGE}
    pushed = [wire.post("ext/par/request", code_challenge_method="S256", **asked).json()["request_uri"] for _ in range(2)]
    wire.authorize(cookie=cookie, request_uri=pushed[0])
    told = {"used": used, "open": open_code, "wrong": wrong, "first": first, "second": second, "own": own, "cookie": cookie}
    told["pushed"] = pushed
    print(json.dumps(told), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _nothing_settles_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.housekeeping._SETTLE_SECONDS", 3600.0)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with running(tmp_path) as started:
        yield started


def _killed(folder: Path) -> dict[str, object]:
    """What a provider has answered before it was killed, with everything still waiting in its loop."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(folder)], cwd=_ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.mark.spec("RFC9700-4.14.2", "RFC6749-4.1.2")
def test_a_killed_process_takes_nothing_back(tmp_path: Path) -> None:
    told = _killed(tmp_path)
    with running(tmp_path) as wire:
        assert wire.redeem(told["open"]).status_code == 200, "a code that nobody used is still good"
        assert wire.authorize(cookie=str(told["cookie"])).status_code == 303, "the session lives"
        assert wire.redeem(told["wrong"]).json()["error"] == "invalid_grant"
        assert wire.post("token/introspect", "machine", token=told["own"]).json() == {"active": False}
        assert wire.refresh(told["second"]["refresh_token"]).status_code == 200
        answered, waiting = (wire.authorize(cookie=str(told["cookie"]), request_uri=uri) for uri in told["pushed"])
        assert "invalid_request_uri" in answered.headers["location"]
        assert "code=" in waiting.headers["location"]
        wire.wall.advance(11)
        assert wire.refresh(told["first"]["refresh_token"]).json()["error"] == "invalid_grant"
        assert len(wire.events("refresh_token.replayed")) == 1, "the rotation is remembered"
        assert wire.redeem(told["used"]).json()["error"] == "invalid_grant"
        assert len(wire.events("authorization_code.replayed")) == 2, "so is that both codes were used"


def _only_noted(wire: Wire | Provider) -> bool:
    state = wire.provider if isinstance(wire, Wire) else wire.state
    return bool(state.store._file._noted)


@pytest.mark.spec("RFC6749-4.1.2")
def test_a_code_is_on_the_disk_as_used_before_its_tokens_or_its_refusal_leave(wire: Wire) -> None:
    good, wrong, late = (wire.code() for _ in range(3))
    assert _only_noted(wire), "a code itself may be lost"
    assert wire.redeem(good).status_code == 200
    assert not _only_noted(wire)
    wire.code()
    assert wire.redeem(wrong, code_verifier="x" * len(VERIFIER)).json()["error"] == "invalid_grant"
    assert not _only_noted(wire)
    wire.code()
    assert wire.redeem(late, "other").json()["error"] == "invalid_grant"
    assert not _only_noted(wire)


def test_rotation_and_revocation_are_on_the_disk_before_their_answers_leave(wire: Wire) -> None:
    tokens = wire.tokens()
    wire.code()
    fresh = wire.refresh(tokens["refresh_token"]).json()
    assert not _only_noted(wire)
    wire.code()
    wire.post("revoke", token=fresh["refresh_token"])
    assert not _only_noted(wire)
    own = wire.post("token", "machine", grant_type="client_credentials").json()["access_token"]
    wire.code()
    wire.post("revoke", "machine", token=own)
    assert not _only_noted(wire)


def test_a_wrong_pin_is_on_the_disk_before_it_is_said_to_be_wrong(tmp_path: Path) -> None:
    with running_provider(tmp_path) as provider:
        phone, browser = provider.phone(CAMILLE), provider.browser()
        login = browser.begin()
        browser.identify(login, CAMILLE)
        (question,) = phone.questions()
        assert _only_noted(provider), "a question may be lost"
        assert phone.answer(question, "approve", browser.code(login), pin="0000").status_code == 403
        assert not _only_noted(provider)


def test_what_was_noted_is_on_the_disk_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.housekeeping._SETTLE_SECONDS", 0.01)
    with running(tmp_path) as wire:
        wire.code()
        for _ in range(500):
            if not _only_noted(wire):
                break
            wire.call(lambda _provider: asyncio.sleep(0.01))
        assert not _only_noted(wire)
