import httpx
import pytest

from siem.errors import OperationError
from siem.response.identity_provider import IdentityProvider, TimedOut
from tests.siem.response.conftest import Peer


def provider(peer: Peer, **changed: object) -> IdentityProvider:
    return IdentityProvider(f"{peer.url}/admin/v1", f"{peer.url}/token", "veilleur-siem", "s:cret é", **changed)  # type: ignore[arg-type]


@pytest.mark.spec("RFC6749-4.4", "RFC6750-2.1")
def test_one_token_serves_until_shortly_before_it_expires(peer: Peer) -> None:
    now = [0.0]
    with provider(peer, monotonic=lambda: now[0]) as idp:
        idp.sessions("899700000011")
        now[0] = 109
        idp.sessions("899700000011")
        assert peer.tokens_issued == 1
        now[0] = 110
        idp.sessions("899700000011")
        assert peer.tokens_issued == 2


def test_a_token_that_is_no_longer_good_is_replaced_once(peer: Peer) -> None:
    with provider(peer) as idp:
        idp.sessions("899700000011")
        peer.valid_token = "another"
        assert idp.sessions("899700000011").residual_seconds == 120
        assert peer.tokens_issued == 2


@pytest.mark.spec("RFC6749-2.3.1")
def test_the_credentials_are_form_encoded_before_they_become_basic(peer: Peer) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(400, json={"error": "invalid_client"})

    with provider(peer, transport=httpx.MockTransport(answer)) as idp, pytest.raises(OperationError, match="invalid_client"):
        idp.sessions("x")
    assert seen == [httpx.BasicAuth("veilleur-siem", "s%3Acret+%C3%A9")._auth_header]


def test_a_revocation_repeated_under_its_key_is_one_revocation(peer: Peer) -> None:
    with provider(peer) as idp:
        results = {idp.revoke(national_id="899700000011", reason="r", reference="INC-2026-0001", key="run:step") for _ in range(3)}
    assert len(results) == 1
    assert next(iter(results)).residual_seconds == 120
    assert len(peer.revoked) == 1


@pytest.mark.parametrize(("status", "retry_helps"), [(503, True), (429, True), (500, True), (403, False), (404, False), (422, False)])
def test_an_error_says_whether_trying_again_helps_and_leaks_no_detail(peer: Peer, status: int, retry_helps: bool) -> None:
    peer.failures = [status]
    with provider(peer) as idp, pytest.raises(OperationError) as raised:
        idp.sessions("899700000011")
    assert raised.value.retry_helps is retry_helps
    assert str(status) in str(raised.value)
    assert "secret detail" not in str(raised.value)
    assert "899700000011" not in str(raised.value)


def test_no_answer_in_time_and_no_answer_at_all_are_told_apart(peer: Peer) -> None:
    def late(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late", request=request)

    with provider(peer, transport=httpx.MockTransport(late)) as idp, pytest.raises(TimedOut):
        idp.sessions("x")
    peer.stop()
    with provider(peer) as idp, pytest.raises(OperationError) as raised:
        idp.sessions("x")
    assert raised.value.retry_helps
    peer.__init__()  # type: ignore[misc]  # the fixture stops a running peer


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json=[]), httpx.Response(200, json={"sessions": [{}]})]
)
def test_an_answer_that_is_not_what_was_agreed_is_an_error(peer: Peer, answer: httpx.Response) -> None:
    def answering(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"access_token": "t"}) if request.url.path == "/token" else answer

    with provider(peer, transport=httpx.MockTransport(answering)) as idp, pytest.raises(OperationError, match="understanding"):
        idp.sessions("x")
