"""What holds for every grant, whatever it is."""

from dataclasses import replace

import pytest

from idp.grants import GRANTS
from idp.model import ApprovalState, DeviceAuthorizationState
from idp.provider import Provider
from idp.tokens.issuer import hash_token
from tests.idp.wire import NATIONAL_ID, PERSON, Wire

#: What each grant consumes; None where it consumes nothing.
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
BACKCHANNEL, EXCHANGE = "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:token-exchange"
CONSUMED = {
    "authorization_code": "code",
    "refresh_token": "refresh_token",
    "client_credentials": None,
    BACKCHANNEL: "auth_req_id",
    DEVICE_CODE: "device_code",
    EXCHANGE: None,
}
CLIENTS = {"client_credentials": "machine", BACKCHANNEL: "backchannel", EXCHANGE: "exchanger", DEVICE_CODE: "device"}


def _client_of(grant_type: str) -> str:
    return CLIENTS.get(grant_type, "baseline")


def _approved(wire: Wire) -> str:
    """A backchannel request that the person has approved."""
    form = {"scope": "openid", "login_hint": NATIONAL_ID, "binding_message": "42"}
    auth_req_id: str = wire.post("ext/ciba/auth", "backchannel", **form).json()["auth_req_id"]

    async def approve(provider: Provider) -> None:
        for approval in await provider.store.interactions.pending_approvals(PERSON.id, provider.clock()):
            await provider.store.interactions.settle_approval(replace(approval, state=ApprovalState.APPROVED))

    wire.call(approve)
    return auth_req_id


def _let_in(wire: Wire) -> str:
    """A device that the person has let in."""
    device_code: str = wire.post("auth/device", "device", scope="openid").json()["device_code"]
    wire.log_in("of-device")

    async def approve(provider: Provider) -> None:
        asked = await provider.store.device_codes.get(hash_token(device_code))
        assert asked is not None
        answered = replace(asked, state=DeviceAuthorizationState.APPROVED, session_id="session-of-device")
        await provider.store.device_codes.settle(answered, provider.clock())

    wire.call(approve)
    return device_code


def _form(wire: Wire, grant_type: str) -> dict[str, str]:
    """A request that succeeds."""
    if grant_type == "authorization_code":
        return {
            "code": wire.code(),
            "redirect_uri": "https://service.example/retour",
            "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        }
    if grant_type == "refresh_token":
        return {"refresh_token": wire.tokens()["refresh_token"]}
    if grant_type == BACKCHANNEL:
        return {"auth_req_id": _approved(wire)}
    if grant_type == DEVICE_CODE:
        return {"device_code": _let_in(wire)}
    if grant_type == EXCHANGE:
        kind = "urn:ietf:params:oauth:token-type:access_token"
        return {"subject_token": wire.tokens()["access_token"], "subject_token_type": kind, "scope": "drugs:read"}
    return {}


def test_the_table_above_knows_every_grant() -> None:
    assert CONSUMED.keys() == GRANTS.keys()


@pytest.mark.spec("RFC6749-5.1", "RFC6749-3.2")
@pytest.mark.parametrize("grant_type", GRANTS)
def test_a_sound_request_succeeds_and_is_audited_once(wire: Wire, grant_type: str) -> None:
    form = _form(wire, grant_type)
    before = len(wire.events("access_token.issued"))
    answer = wire.post("token", _client_of(grant_type), grant_type=grant_type, **form)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"
    (issued,) = wire.events("access_token.issued")[before:]
    assert issued["health.grant.type"] == grant_type
    assert issued["event.outcome"] == "success"
    assert issued.get("user.id") == (None if grant_type == "client_credentials" else NATIONAL_ID)


@pytest.mark.spec("RFC6749-3.2.1", "RFC6749-5.2")
@pytest.mark.parametrize("grant_type", GRANTS)
def test_a_request_without_client_authentication_is_refused_and_audited_once(wire: Wire, grant_type: str) -> None:
    answer = wire.post("token", None, grant_type=grant_type, **_form(wire, grant_type))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert len(wire.events("client.refused")) == 1


@pytest.mark.spec("RFC6749-10.5")
@pytest.mark.parametrize("grant_type", [name for name, consumed in CONSUMED.items() if consumed])
def test_what_a_grant_consumes_counts_once(wire: Wire, grant_type: str) -> None:
    form = _form(wire, grant_type)
    assert wire.post("token", _client_of(grant_type), grant_type=grant_type, **form).status_code == 200
    # A refresh that is asked again at once is a repetition (tests/idp/grants/test_repeated_answer.py).
    wire.wall.advance(10)
    again = wire.post("token", _client_of(grant_type), grant_type=grant_type, **form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    (refused,) = wire.events("access_token.refused")
    assert refused["health.grant.type"] == grant_type


@pytest.mark.spec("RFC6749-5.2")
@pytest.mark.parametrize("grant_type", GRANTS)
def test_a_client_that_did_not_register_the_grant_is_refused(wire: Wire, grant_type: str) -> None:
    client_id = "code-only" if grant_type != "authorization_code" else "machine"
    answer = wire.post("token", client_id, grant_type=grant_type, **_form(wire, grant_type))
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.spec("RFC6749-5.2")
@pytest.mark.parametrize(
    ("grant_type", "error"), [(None, "invalid_request"), ("password", "unsupported_grant_type"), ("implicit", "unsupported_grant_type")]
)
def test_an_unknown_grant_is_refused(wire: Wire, grant_type: str | None, error: str) -> None:
    assert wire.post("token", "baseline", grant_type=grant_type).json()["error"] == error


@pytest.mark.spec("RFC6749-3.2")
def test_a_parameter_given_twice_is_refused(wire: Wire) -> None:
    answer = wire.http.post(
        "http://127.0.0.1:8800/auth/realms/esante-wallet/protocol/openid-connect/token",
        content="grant_type=client_credentials&grant_type=client_credentials",
        headers={"content-type": "application/x-www-form-urlencoded"},
        auth=("machine", "s" * 43),
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
