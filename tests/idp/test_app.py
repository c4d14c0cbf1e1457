from pathlib import Path

import pytest

from idp.app import create_app
from idp.errors import OperationError
from idp.settings import Environment, Settings
from tests.idp.wire import BASE, CONNECT, SECRET, Wire, claims_of, running


def test_a_production_provider_without_seal_key_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="idp init"):
        create_app(Settings(environment=Environment.PRODUCTION, base_url="https://idp.example", state=tmp_path))


def test_the_control_api_exists_in_development_alone_and_can_be_left_out(tmp_path: Path) -> None:
    with running(tmp_path / "with") as wire:
        assert wire.http.get(f"{BASE}/control/v1/approvals").status_code != 404
    with running(tmp_path / "without", control_api=False) as wire:
        assert wire.http.get(f"{BASE}/control/v1/approvals").status_code == 404


def test_sessions_tokens_and_keys_survive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as wire:
        tokens = wire.tokens()
        kid = wire.http.get(f"{CONNECT}/certs").json()["keys"][0]["kid"]
    with running(tmp_path) as wire:
        assert wire.userinfo(tokens["access_token"]).status_code == 200
        assert wire.refresh(tokens["refresh_token"]).status_code == 200
        assert wire.http.get(f"{CONNECT}/certs").json()["keys"][0]["kid"] == kid
        assert wire.tokens()["access_token"]
    assert claims_of(tokens["id_token"])["sid"] == "session-one"


def test_every_answer_carries_the_protective_headers(wire: Wire) -> None:
    for path in ("/auth", "/nothing", "/health/live", "/control/v1/nothing", "/admin/v1/sessions/search"):
        headers = wire.http.get(f"{BASE}{path}").headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path
        assert "cache-control" in headers, path
        assert "server" not in headers, path


def test_a_bug_is_a_500_with_a_reference_and_says_nothing(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the secret is a quince")

    monkeypatch.setattr("idp.grants.run", broken)
    answer = wire.post("token", "machine", grant_type="client_credentials")
    assert answer.status_code == 500
    assert "quince" not in answer.text
    reference = answer.json()["error_description"].rpartition(" ")[2]
    assert reference == answer.headers["x-request-id"]
    assert reference in caplog.text


def test_a_bug_of_a_page_is_a_page_under_the_reference_of_its_audit_events(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("the secret is a quince")

    headers = {"Accept": "text/html,application/xhtml+xml"}
    monkeypatch.setattr(wire.provider.store.clients, "get", broken)
    answer = wire.http.get(f"{BASE}/auth", params={"client_id": "baseline"}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert f"<code>{answer.headers['x-request-id']}</code>" in answer.text
    assert "quince" not in answer.text


@pytest.mark.parametrize(("path", "status"), [("nothing", 404), ("token", 405), ("userinfo/", 404)])
def test_where_nothing_is_a_program_is_told_in_json_and_a_browser_by_a_page(wire: Wire, path: str, status: int) -> None:
    answer = wire.http.get(f"{CONNECT}/{path}")
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")
    page = wire.http.get(f"{CONNECT}/{path}", headers={"Accept": "text/html,application/xhtml+xml"})
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")


def test_a_store_that_fails_is_a_503_and_says_to_come_back(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise OperationError("writing the store (disk full)", "idp.sqlite", retry_helps=True)

    code = wire.code()
    monkeypatch.setattr(wire.provider.store.tokens, "start_grant", full)
    answer = wire.redeem(code)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "idp.sqlite" not in answer.text
    assert wire.events("access_token.issued") == []


def test_no_answer_leaves_when_its_event_cannot_be_written(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    answer = wire.http.post(f"{CONNECT}/token", data={"grant_type": "client_credentials"}, auth=("machine", SECRET))
    assert answer.status_code == 503
    assert "access_token" not in answer.text


def test_a_wrong_method_is_told_which_are_right(wire: Wire) -> None:
    answer = wire.http.delete(f"{CONNECT}/token")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
