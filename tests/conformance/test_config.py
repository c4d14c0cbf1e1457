"""``oidcc-config-certification-test-plan``: what the metadata must be, read as the suite reads it."""

import re
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from idp.endpoints.discovery import metadata
from tests.idp.wire import ISSUER, Wire


@pytest.mark.spec("OIDCD-3", "OIDCD-4.2", "OIDCD-4.3", "RFC8414-2")
def test_oidcc_discovery_endpoint_verification(wire: Wire) -> None:
    """Status and type; the issuer is the address; what must be there is; flags are booleans; languages are canonical; keys can be used."""
    answer = wire.http.get(f"{ISSUER}/.well-known/openid-configuration")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    assert document["issuer"] == ISSUER
    assert "openid" in document["scopes_supported"]
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert {"code"} <= set(document["response_types_supported"])
    assert {"public", "pairwise"} == set(document["subject_types_supported"])
    assert {"authorization_code"} <= set(document["grant_types_supported"])
    for flag in ("claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"):
        assert isinstance(document[flag], bool)
    assert all(re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", language) for language in document["ui_locales_supported"])
    keys = jwt.PyJWKSet.from_dict(wire.http.get(document["jwks_uri"]).json()).keys
    assert {key.algorithm_name for key in keys} == {"RS256", "PS256", "ES256"}
    assert len({key.key_id for key in keys}) == len(keys)


@pytest.mark.spec("OIDCD-3")
def test_in_production_every_address_is_https() -> None:
    document = metadata("https://idp.example/realm", "https://idp.example")
    addresses = [value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))]
    assert addresses
    assert all(urlsplit(address).scheme == "https" for address in addresses)
