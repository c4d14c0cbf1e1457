"""``fapi-ciba-id1-test-plan``: each test of a module has its name. The client signs its requests and gets tokens bound to its key."""

import json
from collections.abc import Iterator
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from idp import housekeeping
from idp.tokens.issuer import hash_token
from tests.conformance.fapi import Fapi, refused
from tests.idp.dpop_proofs import b64, forged
from tests.idp.endpoints.backchannel_flow import CIBA
from tests.idp.relying_party import sign
from tests.idp.test_outbound import listening
from tests.idp.wire import BASE, CONNECT, ISSUER, NATIONAL_ID, Wire, claims_of, running

_NUMBERS = count()
NOTIFICATION = "8d67dc78-7faa-4d41-aabd-67707b374255"


class Ciba(Fapi):
    """One service; ``members`` make it one that is pinged."""

    def __init__(self, wire: Wire, client_id: str, **members: Any) -> None:
        own = {"grant_types": (CIBA, "refresh_token"), "scope": frozenset({"openid", "profile"}), "redirect_uris": ()}
        super().__init__(wire, client_id, **{**own, **members})

    def signed(self, *, alg: str = "ES256", key: str = "", **changes: Any) -> str:
        """A sound request as an object; a claim given as None is left out."""
        said = {
            "iss": self.client_id,
            "aud": ISSUER,
            "iat": self.at,
            "nbf": self.at,
            "exp": self.at + 120,
            "jti": f"r-{next(_NUMBERS)}",
            "scope": "openid profile",
            "login_hint": NATIONAL_ID,
            "binding_message": "00",
            **changes,
        }
        return sign({name: value for name, value in said.items() if value is not None}, alg=alg, key=key)

    def ask(self, *, request: str = "", assertion: dict[str, str] | None = None, **changes: Any) -> Any:
        form = {"request": request or self.signed(**changes), **(self.assertion() if assertion is None else assertion)}
        return self.wire.http.post(f"{CONNECT}/ext/ciba/auth", data=form)

    def asked(self, **changes: Any) -> str:
        answer = self.ask(**changes)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["auth_req_id"])

    def settle(self, auth_req_id: str, outcome: str = "approve") -> None:
        """What the person answers to this question."""
        asked = self.wire.call(lambda provider: provider.store.awaited.get(hash_token(auth_req_id)))
        assert asked is not None
        self.wire.http.post(f"{BASE}/control/v1/approvals/{asked.approval_id}", json={"outcome": outcome}).raise_for_status()

    def poll(self, auth_req_id: str, **given: Any) -> Any:
        return self.token(grant_type=CIBA, auth_req_id=auth_req_id, **given)

    def logged_in(self, **changes: Any) -> dict[str, Any]:
        """A whole login; the token response."""
        auth_req_id = self.asked(**changes)
        self.settle(auth_req_id)
        answer = self.poll(auth_req_id)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A provider whose people answer by the control API."""
    with running(tmp_path_factory.mktemp("ciba"), control_api=True, outbound_loopback=True) as started:
        yield started


@pytest.fixture
def ciba(answering: Wire) -> Ciba:
    return Ciba(answering, "ciba")


@pytest.fixture
def rival(answering: Wire) -> Ciba:
    return Ciba(answering, "ciba-rival")


@pytest.mark.spec("CIBA-4")
def test_fapi_ciba_id1_discovery_end_point_verification(answering: Wire) -> None:
    """Discovery announces the endpoint, polling and pinging, and algorithms that the profile allows."""
    told = answering.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert told["backchannel_authentication_endpoint"] == f"{CONNECT}/ext/ciba/auth"
    assert {"poll", "ping"} <= set(told["backchannel_token_delivery_modes_supported"])
    assert CIBA in told["grant_types_supported"]
    assert "ES256" in told["backchannel_authentication_request_signing_alg_values_supported"]
    assert "none" not in told["backchannel_authentication_request_signing_alg_values_supported"]


@pytest.mark.spec("CIBA-7.3", "CIBA-10.1", "RFC9449-5")
def test_fapi_ciba_id1(ciba: Ciba, rival: Ciba) -> None:
    """Two services log the same person in; each token is bound to its key and serves its own service."""
    for service in (ciba, rival):
        tokens = service.logged_in()
        assert tokens["token_type"] == "DPoP"
        assert claims_of(tokens["id_token"])["aud"] == service.client_id
        assert service.userinfo(tokens["access_token"]).status_code == 200


@pytest.mark.spec("CIBA-11")
def test_fapi_ciba_id1_user_rejects_authentication(ciba: Ciba) -> None:
    """A no is access_denied."""
    auth_req_id = ciba.asked()
    ciba.settle(auth_req_id, "deny")
    refused(ciba.poll(auth_req_id), "access_denied")


@pytest.mark.spec("CIBA-11")
def test_fapi_ciba_id1_multiple_call_to_token_endpoint(ciba: Ciba) -> None:
    """Who asks while nobody has answered is told to wait, and who asks at once again to slow down."""
    auth_req_id = ciba.asked()
    refused(ciba.poll(auth_req_id), "authorization_pending")
    refused(ciba.poll(auth_req_id), "slow_down")


@pytest.mark.spec("CIBA-7.1", "CIBA-11")
def test_fapi_ciba_id1_auth_req_id_expired(ciba: Ciba) -> None:
    """A request that nobody answered in the time it asked for has expired."""
    answer = ciba.ask(requested_expiry=10)
    assert answer.json()["expires_in"] == 10
    ciba.wire.wall.advance(11)
    refused(ciba.poll(answer.json()["auth_req_id"]), "expired_token")


@pytest.mark.spec("CIBA-7.1")
def test_fapi_ciba_id1_ensure_authorization_request_with_binding_message_succeeds(ciba: Ciba) -> None:
    """A short message to compare is taken."""
    assert ciba.logged_in(binding_message="1234")["access_token"]


@pytest.mark.spec("CIBA-13")
def test_fapi_ciba_id1_ensure_authorization_request_with_potentially_bad_binding_message(ciba: Ciba) -> None:
    """A message that a phone could not show whole is refused as such."""
    refused(ciba.ask(binding_message="1234 \U0001f44d\U0001f3ff 品川 " * 6), "invalid_binding_message")


@pytest.mark.spec("RFC6749-3.3")
def test_fapi_ciba_id1_ensure_other_scope_order_succeeds(ciba: Ciba) -> None:
    """The order of scope values does not matter."""
    assert set(ciba.logged_in(scope="profile openid")["scope"].split()) == {"openid", "profile"}


@pytest.mark.spec("CIBA-7.1.1")
def test_fapi_ciba_id1_ensure_requested_expiry_as_string_succeeds(ciba: Ciba) -> None:
    """A time may be asked for as a number or as its text."""
    assert [ciba.ask(requested_expiry=asked).json()["expires_in"] for asked in (30, "30")] == [30, 30]


@pytest.mark.spec("CIBA-7.1.1")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": None}, id="fapi-ciba-id1-ensure-request-object-missing-aud-fails"),
        pytest.param({"aud": "https://other.example"}, id="fapi-ciba-id1-ensure-request-object-bad-aud-fails"),
        pytest.param({"iss": None}, id="fapi-ciba-id1-ensure-request-object-missing-iss-fails"),
        pytest.param({"iss": "ciba-rival"}, id="fapi-ciba-id1-ensure-request-object-bad-iss-fails"),
        pytest.param({"exp": None}, id="fapi-ciba-id1-ensure-request-object-missing-exp-fails"),
        pytest.param({"exp": -300}, id="fapi-ciba-id1-ensure-request-object-expired-exp-fails"),
        pytest.param({"exp": 70 * 60}, id="fapi-ciba-id1-ensure-request-object-exp-is-70-minutes-in-future-fails"),
        pytest.param({"iat": None}, id="fapi-ciba-id1-ensure-request-object-missing-iat-fails"),
        pytest.param({"nbf": None}, id="fapi-ciba-id1-ensure-request-object-missing-nbf-fails"),
        pytest.param({"nbf": 10 * 60}, id="fapi-ciba-id1-ensure-request-object-nbf-is-10-minutes-in-future-fails"),
        pytest.param({"nbf": -70 * 60}, id="fapi-ciba-id1-ensure-request-object-nbf-is-70-minutes-in-past-fails"),
        pytest.param({"jti": None}, id="fapi-ciba-id1-ensure-request-object-missing-jti-fails"),
        pytest.param({"alg": "RS256"}, id="fapi-ciba-id1-ensure-request-object-signature-algorithm-is-RS256-fails"),
        pytest.param({"key": "stolen"}, id="fapi-ciba-id1-ensure-request-object-signed-by-other-client-fails"),
        pytest.param({"login_hint_token": "t"}, id="fapi-ciba-id1-ensure-authorization-request-with-multiple-hints-fails"),
    ],
)
def test_a_request_at_fault_asks_nobody(ciba: Ciba, changes: dict[str, Any]) -> None:
    """A request that is not whole, of now, for us, about one person, and signed by this client as the profile allows, is refused."""
    given = {name: ciba.at + value if isinstance(value, int) else value for name, value in changes.items()}
    refused(ciba.ask(**given), "invalid_request", "invalid_request_object")


@pytest.mark.spec("RFC8725-3.1", "CIBA-7.1.1")
@pytest.mark.parametrize(
    "unsigned",
    [
        pytest.param(True, id="fapi-ciba-id1-ensure-request-object-signature-algorithm-is-none-fails"),
        pytest.param(False, id="fapi-ciba-id1-ensure-request-object-signature-algorithm-is-bad-fails"),
    ],
)
def test_a_request_without_its_signature_asks_nobody(ciba: Ciba, unsigned: bool) -> None:
    """A request with alg none, or whose header names an algorithm that its signature is not of, is refused."""
    value = ciba.signed()
    signature = b"" if unsigned else bytes(64)
    broken = forged({"alg": "none" if unsigned else "ES999", "kid": "key-ES256"}, claims_of(value), signature)
    refused(ciba.ask(request=broken), "invalid_request", "invalid_request_object")
    refused(ciba.ask(request=f"{value.rpartition('.')[0]}.{b64(bytes(64))}"), "invalid_request", "invalid_request_object")


@pytest.mark.spec("CIBA-7.1.1")
def test_fapi_ciba_id1_ensure_unsigned_backchannel_authorization_request_fails(ciba: Ciba) -> None:
    """A request that is not signed at all is refused."""
    plain = {"scope": "openid", "login_hint": NATIONAL_ID, **ciba.assertion()}
    refused(ciba.wire.http.post(f"{CONNECT}/ext/ciba/auth", data=plain), "invalid_request")


@pytest.mark.spec("CIBA-11")
def test_fapi_ciba_id1_ensure_wrong_auth_req_id_in_token_endpoint_request(ciba: Ciba, rival: Ciba) -> None:
    """What one service asked for is nothing to another."""
    auth_req_id = ciba.asked()
    ciba.settle(auth_req_id)
    refused(rival.poll(auth_req_id), "invalid_grant")
    assert ciba.poll(auth_req_id).status_code == 200


@pytest.mark.spec("RFC6749-3.2.1")
def test_fapi_ciba_id1_ensure_without_client_assertion_in_token_endpoint_request(ciba: Ciba) -> None:
    """A service that only says who it is gets no token."""
    auth_req_id = ciba.asked()
    ciba.settle(auth_req_id)
    refused(ciba.poll(auth_req_id, assertion={"client_id": "ciba"}), "invalid_client")


@pytest.mark.spec("CIBA-7.1")
def test_fapi_ciba_id1_ensure_without_client_assertion_in_backchannel_authorization_request(ciba: Ciba) -> None:
    """A service that only says who it is asks nobody."""
    refused(ciba.ask(assertion={"client_id": "ciba"}), "invalid_client")


@pytest.mark.spec("FAPI2SP-5.4.1")
@pytest.mark.parametrize(
    "asking",
    [
        pytest.param(
            True,
            id="fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-backchannel-authorization-request-is-RS256-fails",
        ),
        pytest.param(False, id="fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-token-endpoint-request-is-RS256-fails"),
    ],
)
def test_an_assertion_signed_with_rs256_proves_no_service(ciba: Ciba, asking: bool) -> None:
    """RS256 is no algorithm of this profile, whatever keys are registered."""
    given = {"assertion": ciba.assertion(alg="RS256")}
    refused(ciba.ask(**given) if asking else ciba.poll(ciba.asked(), **given), "invalid_client")


@pytest.mark.spec("RFC7523-3")
def test_fapi_ciba_id1_ensure_client_assertion_with_iss_aud_to_token_endpoint_succeeds(ciba: Ciba) -> None:
    """An assertion whose audience is the issuer proves the service at the token endpoint."""
    auth_req_id = ciba.asked()
    ciba.settle(auth_req_id)
    assert ciba.poll(auth_req_id, assertion=ciba.assertion(aud=ISSUER)).status_code == 200


@pytest.mark.spec("CIBA-10.2")
@pytest.mark.parametrize(
    ("status", "rounds"),
    [
        pytest.param(200, 1, id="fapi-ciba-id1-ping-backchannel-notification-endpoint-response-has-body"),
        pytest.param(401, 1, id="fapi-ciba-id1-ping-backchannel-notification-endpoint-response-401"),
        pytest.param(403, 1, id="fapi-ciba-id1-ping-backchannel-notification-endpoint-response-403"),
        pytest.param(401, 3, id="fapi-ciba-id1-ping-with-mtls-ciba-notification-endpoint-response-401-and-require-server-does-not-retry"),
        pytest.param(301, 3, id="fapi-ciba-id1-ping-backchannel-notification-endpoint-return-redirect-request"),
    ],
)
def test_whatever_a_pinged_service_answers_it_is_pinged_once_and_gets_its_token(answering: Wire, status: int, rounds: int) -> None:
    """A ping that is answered with a body, a refusal or a redirect is neither repeated nor sent elsewhere, and the login goes on."""
    elsewhere: SimpleQueue[dict[str, str]]
    with listening() as (other, elsewhere), listening(status, {"location": other}, b"{}") as (url, heard):
        members = {"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": url}
        pinged = Ciba(answering, "ciba-pinged", **members)
        auth_req_id = pinged.asked(client_notification_token=NOTIFICATION)
        pinged.settle(auth_req_id)
        for _ in range(rounds):
            answering.call(housekeeping.notify)
        sent = heard.get(timeout=5)
        assert (sent["authorization"], json.loads(sent["body"])) == (f"Bearer {NOTIFICATION}", {"auth_req_id": auth_req_id})
        for quiet in (heard, elsewhere):
            with pytest.raises(Empty):
                quiet.get_nowait()
    assert pinged.poll(auth_req_id).status_code == 200


@pytest.mark.spec("RFC6749-6")
def test_fapi_ciba_id1_refresh_token(ciba: Ciba, rival: Ciba) -> None:
    """A refresh gives tokens of the same login, to the service that was given it, with a proof of its key."""
    form = {"grant_type": "refresh_token", "refresh_token": ciba.logged_in()["refresh_token"]}
    refused(rival.token(**form), "invalid_grant")
    refused(ciba.token(**form, proof=None), "invalid_dpop_proof", "invalid_request")
    again = ciba.token(**form)
    assert again.status_code == 200, again.text
    assert ciba.userinfo(again.json()["access_token"]).status_code == 200


@pytest.mark.spec("RFC8705-3", "FAPI2SP-5.3.2.1")
def test_fapi_ciba_id1_ensure_mtls_holder_of_key_required(answering: Wire) -> None:
    """A service whose tokens are bound to its certificate gets none on a connection without it."""
    by_certificate = Ciba(answering, "ciba-certificate", tls_client_certificate_bound_access_tokens=True)
    auth_req_id = by_certificate.asked()
    by_certificate.settle(auth_req_id)
    refused(by_certificate.poll(auth_req_id, proof=None), "invalid_grant", "invalid_request")
