import pytest

from tests.idp.dpop_proofs import TOKEN, ClientKey, redeem
from tests.idp.wire import Wire

KEY = ClientKey()


@pytest.mark.spec("RFC9449-4.3")
def test_the_host_header_does_not_name_the_endpoint(wire: Wire) -> None:
    proof = KEY.proof(wire, TOKEN.replace("127.0.0.1:8800", "evil.example"))
    form = {"grant_type": "client_credentials"}
    answer = wire.http.post(TOKEN, data=form, auth=("machine", "s" * 43), headers={"DPoP": proof, "Host": "evil.example"})
    assert answer.json()["error"] == "invalid_dpop_proof"


@pytest.mark.spec("RFC9449-8.2")
def test_a_nonce_is_sent_to_those_alone_who_need_it(wire: Wire) -> None:
    assert "dpop-nonce" not in redeem(wire, wire.code(), KEY.proof(wire)).headers
