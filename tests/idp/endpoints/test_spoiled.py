from typing import Any

import jwt
import pytest

from idp.endpoints.spoiled import Fault
from tests.idp.wire import BASE, CONNECT, ISSUER, Wire, query_of

#: What PyJWT says of each, once it is told what to expect.
REFUSED: dict[str, type[Exception]] = {
    "signature": jwt.InvalidSignatureError,
    "unknown_key": KeyError,
    "unsigned": KeyError,
    "issuer": jwt.InvalidIssuerError,
    "audience": jwt.InvalidAudienceError,
    "expired": jwt.ExpiredSignatureError,
}


def _order(wire: Wire, fault: str | None, client_id: str = "baseline") -> Any:
    return wire.http.put(f"{BASE}/control/v1/clients/{client_id}/fault", json={"fault": fault})


def _read(wire: Wire, token: str) -> dict[str, Any]:
    """As a service does: the key by its name, then everything that an ID token must say."""
    keys = jwt.PyJWKSet.from_dict(wire.http.get(f"{CONNECT}/certs").json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    # The provider's clock stands still, in another year than the machine's.
    options = {"verify_exp": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(token, key.key, [key.algorithm_name], audience="baseline", issuer=ISSUER, options=options)
    if claims["exp"] < wire.wall().timestamp():
        raise jwt.ExpiredSignatureError
    return claims


@pytest.mark.spec("OIDCC-3.1.3.7", "PSC-7")
@pytest.mark.parametrize("fault", REFUSED)
def test_another_implementation_refuses_what_was_ordered_and_takes_what_comes_after(wire: Wire, fault: str) -> None:
    assert _order(wire, fault).status_code == 204
    with pytest.raises(REFUSED[fault]):
        _read(wire, wire.tokens()["id_token"])
    assert _order(wire, None).status_code == 204
    assert _read(wire, wire.tokens()["id_token"])["nonce"] == "n-1"


@pytest.mark.spec("OIDCC-3.1.3.7", "RFC9207-2.4", "RFC6749-10.12")
def test_the_nonce_and_the_way_back_can_be_of_another_login(wire: Wire) -> None:
    _order(wire, "nonce")
    assert _read(wire, wire.tokens()["id_token"])["nonce"] == "of-another-login"
    for fault, member in (("response_state", "state"), ("response_issuer", "iss")):
        right = query_of(wire.authorize("other", cookie=wire.log_in()))
        _order(wire, fault)
        wrong = query_of(wire.authorize(cookie=wire.log_in()))
        assert {name for name in right if name not in ("code", "session_state") and right[name] != wrong[name]} == {member}
    assert {*REFUSED, "nonce", "response_state", "response_issuer"} == set(Fault)


def test_only_what_there_is_can_be_ordered_for_a_client_that_there_is(wire: Wire) -> None:
    assert _order(wire, "everything").status_code == 422
    assert _order(wire, "nonce", "nobody").status_code == 404
