import pytest
from authlib.oidc.discovery import OpenIDProviderMetadata

from idp.endpoints.discovery import metadata
from tests.idp.wire import BASE, ISSUER, Wire


@pytest.mark.spec("OIDCD-3", "OIDCD-4.2", "RFC8414-2", "PSC-1.1")
def test_both_paths_give_the_same_document_and_it_names_its_issuer(wire: Wire) -> None:
    standard, psc = (wire.http.get(f"{ISSUER}/.well-known/{name}openid-configuration") for name in ("", "wallet-"))
    assert standard.json() == psc.json() == metadata(ISSUER, BASE)
    assert standard.json()["issuer"] == ISSUER
    assert standard.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.spec("OIDCD-3")
def test_another_implementation_finds_the_document_sound() -> None:
    OpenIDProviderMetadata(metadata("https://idp.example/realm", "https://idp.example")).validate()


@pytest.mark.spec("RFC9700-2.1.2", "RFC9700-2.1.1")
def test_nothing_weak_is_announced() -> None:
    announced = metadata(ISSUER, BASE)
    assert announced["response_types_supported"] == ["code"]
    assert announced["code_challenge_methods_supported"] == ["S256"]
    assert not {"password", "implicit"} & set(announced["grant_types_supported"])
    assert not {"none", "HS256"} & set(announced["id_token_signing_alg_values_supported"])


@pytest.mark.spec("OIDCD-3")
def test_every_announced_endpoint_answers(wire: Wire) -> None:
    for name, value in metadata(ISSUER, BASE).items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert wire.http.get(value, follow_redirects=False).status_code != 404, name
