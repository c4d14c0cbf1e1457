from pathlib import Path

import pytest

from idp.endpoints.discovery import metadata
from idp.endpoints.psc_discovery import as_psc
from tests.idp.wire import BASE, ISSUER, running


@pytest.mark.spec("PSC-1.3")
def test_a_service_meets_psc_s_own_words_at_our_addresses(tmp_path: Path) -> None:
    with running(tmp_path, discovery_psc_values=True) as wire:
        told = wire.http.get(f"{ISSUER}/.well-known/wallet-openid-configuration").json()
        assert told["acr_values_supported"] == ["0", "0"]
        assert {"scope_all", "eidas2", "microprofile-jwt"} <= set(told["scopes_supported"])
        assert told["code_challenge_methods_supported"] == ["plain", "S256"]
        assert told["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]
        served = metadata(ISSUER, BASE)
        for name in told:
            if name == "issuer" or name.endswith(("_endpoint", "_uri")):
                assert told[name] == served[name]
        # What PSC's document does not have, a service cannot come to lean on here.
        assert not {"dpop_signing_alg_values_supported", "prompt_values_supported"} & told.keys()
        # Announced is not served.
        answer = wire.authorize("psc", cookie=wire.log_in(), response_type="id_token", follow_redirects=False)
        assert "error=unsupported_response_type" in answer.headers["location"]


@pytest.mark.spec("PSC-1.3")
def test_of_the_members_of_psc_s_document_only_addresses_that_we_do_not_have_are_missing() -> None:
    full = as_psc(metadata(ISSUER, BASE, mtls=True, mtls_base_url="https://mtls.example", registration=True))
    # The sandbox's document has 54 members; ``mtls_endpoint_aliases`` and all addresses are among them.
    assert len(full) == 54
