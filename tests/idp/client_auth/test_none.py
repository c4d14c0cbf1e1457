import pytest

from idp.client_auth.none import present
from tests.idp.wire import Wire


@pytest.mark.spec("RFC6749-3.2.1")
def test_a_client_id_alone_is_a_public_client_s_way() -> None:
    presented = present("", {"client_id": "c"})
    assert presented is not None
    assert presented.client_id == "c"
    assert present("", {}) is None
    assert present("Bearer x", {"client_id": "c"}) is None


def test_a_confidential_client_cannot_take_it(wire: Wire) -> None:
    assert wire.redeem(wire.code("baseline"), None, client_id="baseline").json()["error"] == "invalid_client"


def test_a_public_client_may_not_introspect(wire: Wire) -> None:
    answer = wire.post("token/introspect", None, client_id="public", token="x")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
