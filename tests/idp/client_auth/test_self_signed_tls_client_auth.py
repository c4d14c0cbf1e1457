from typing import Any

import pytest

from tests.idp.certificates import Issued
from tests.idp.wire import CONNECT, START, Wire, client

OWN = Issued("CN=service", START)
TWIN = Issued("CN=service", START)


def _ask(wire: Wire, issued: Issued) -> Any:
    headers = {"X-Client-Cert": issued.escaped, "X-Client-Verify": "FAILED:self signed certificate"}
    return wire.http.post(f"{CONNECT}/token", data={"grant_type": "client_credentials", "client_id": "own"}, headers=headers)


def _register(wire: Wire, jwks: dict[str, Any] | None) -> None:
    registered = client(
        "own",
        token_endpoint_auth_method="self_signed_tls_client_auth",
        client_secret_hash=None,
        grant_types=("client_credentials",),
        scope=frozenset({"sessions:read"}),
        jwks=jwks,
    )
    wire.call(lambda provider: provider.store.clients.put(registered))


@pytest.mark.spec("RFC8705-2.2", "RFC8705-2.2.2")
def test_the_registered_certificate_alone_is_the_client_s(proxied: Wire) -> None:
    _register(proxied, {"keys": [TWIN.jwk(), OWN.jwk()]})
    assert _ask(proxied, OWN).status_code == 200
    _register(proxied, {"keys": [TWIN.jwk()]})
    assert _ask(proxied, OWN).json()["error"] == "invalid_client"
    _register(proxied, None)
    assert _ask(proxied, OWN).json()["error"] == "invalid_client"


@pytest.mark.spec("RFC8705-2.2", "RFC8705-6.5")
def test_a_certificate_out_of_date_or_from_nobody_s_proxy_is_refused(proxied: Wire) -> None:
    _register(proxied, {"keys": [OWN.jwk()]})
    proxied.wall.advance(31 * 86_400)
    assert _ask(proxied, OWN).json()["error"] == "invalid_client"


@pytest.mark.spec("RFC8705-6.5")
def test_the_header_of_anybody_but_the_proxy_means_nothing(spoofed: Wire) -> None:
    _register(spoofed, {"keys": [OWN.jwk()]})
    assert _ask(spoofed, OWN).json()["error"] == "invalid_client"
