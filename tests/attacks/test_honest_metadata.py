"""What the provider says it does it does, and what it does not say it refuses.

Precedents: metadata of Pro Santé Connect that offer ``none``, ``plain``, implicit and password grants; RFC9700-2.6; RFC 8414 §6.
"""

from typing import Any

import pytest

from tests.idp.wire import CONNECT, ISSUER, Wire, query_of

pytestmark = pytest.mark.precedent("RFC9700-2.6")


WEAK = {"none", "HS256", "HS384", "HS512", "RSA1_5", "plain", "implicit", "password", "token", "id_token", "fragment", "tls_client_auth"}


@pytest.fixture(scope="module")
def metadata(shared: Wire) -> dict[str, Any]:
    document: dict[str, Any] = shared.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    return document


@pytest.mark.spec("RFC9700-2.1.2", "RFC9700-2.4", "RFC9700-2.6")
def test_nothing_weak_is_offered(metadata: dict[str, Any]) -> None:
    offered = {name: set(value) & WEAK for name, value in metadata.items() if isinstance(value, list)}
    # «none» as a client's method means a public client, which PKCE proves.
    allowed = {"token_endpoint_auth_methods_supported", "revocation_endpoint_auth_methods_supported"}
    # prompt=none means that no screen may be shown.
    allowed |= {"prompt_values_supported"}
    assert {name: found for name, found in offered.items() if found and not (name in allowed and found == {"none"})} == {}


@pytest.mark.spec("RFC9700-2.6")
def test_every_endpoint_that_is_named_is_there(shared: Wire, metadata: dict[str, Any]) -> None:
    named = {name: value for name, value in metadata.items() if name.endswith("_endpoint") or name == "jwks_uri"}
    for name, url in named.items():
        assert url.startswith("http://127.0.0.1:8800/"), name
        answers = {shared.http.get(url, follow_redirects=False).status_code, shared.http.post(url, follow_redirects=False).status_code}
        assert answers - {404, 405}, name
        assert not {status for status in answers if status >= 500}, name


@pytest.mark.parametrize(
    "response_type", ["token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none", "code code"]
)
@pytest.mark.spec("RFC9700-4.6.1")
def test_a_response_type_that_is_not_named_is_refused(shared: Wire, metadata: dict[str, Any], response_type: str) -> None:
    assert response_type not in metadata["response_types_supported"]
    assert query_of(shared.authorize(response_type=response_type, cookie=shared.log_in()))["error"] == "unsupported_response_type"


def test_request_objects_are_refused_as_the_metadata_say(shared: Wire, metadata: dict[str, Any]) -> None:
    for parameter, error in (("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")):
        if not metadata[f"{parameter}_parameter_supported"]:
            assert query_of(shared.authorize(**{parameter: "https://evil.example/x"}))["error"] == error


def test_the_published_keys_are_public_and_named(shared: Wire) -> None:
    keys = shared.http.get(f"{CONNECT}/certs").json()["keys"]
    assert keys
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()
        assert (key["use"], key["alg"] in {"ES256", "PS256", "RS256"}) == ("sig", True)
    assert len({key["kid"] for key in keys}) == len(keys)


@pytest.mark.parametrize(
    "path", ["/register", "/client", "/auth/realms/master", "/auth/admin", "/docs", "/openapi.json", "/redoc", "/metrics", "/.git/config"]
)
def test_nothing_else_is_there(shared: Wire, path: str) -> None:
    for prefix in ("", ISSUER, f"{ISSUER}/protocol/openid-connect", "/admin/v1", "/control/v1"):
        assert shared.http.get(f"{prefix}{path}", follow_redirects=False).status_code == 404
