from pathlib import Path

import pytest
from authlib.oidc.discovery import OpenIDProviderMetadata

from idp.endpoints.discovery import metadata
from tests.idp.endpoints.card_flow import settings_of_cards
from tests.idp.wire import BASE, ISSUER, Wire, running


@pytest.mark.spec("OIDCD-3", "OIDCD-4.2", "RFC8414-2", "PSC-1.1")
def test_both_paths_give_the_same_document_and_it_names_its_issuer(wire: Wire) -> None:
    standard, psc = (wire.http.get(f"{ISSUER}/.well-known/{name}openid-configuration") for name in ("", "wallet-"))
    assert standard.json() == psc.json() == metadata(ISSUER, BASE)
    assert standard.json()["issuer"] == ISSUER
    assert standard.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.spec("PSC-1.1")
@pytest.mark.parametrize(("paths", "served"), [("standard", [200, 404]), ("wallet", [404, 200])])
def test_one_path_alone_can_be_served_as_a_service_may_meet_it(paths: str, served: list[int], tmp_path: Path) -> None:
    with running(tmp_path, discovery_paths=paths) as wire:
        answers = [wire.http.get(f"{ISSUER}/.well-known/{name}openid-configuration").status_code for name in ("", "wallet-")]
    assert answers == served


@pytest.mark.spec("RFC8414-3", "RFC8414-3.1")
def test_clients_of_oauth_alone_find_the_document_between_host_and_path(wire: Wire) -> None:
    found = wire.http.get(f"{BASE}/.well-known/oauth-authorization-server/auth/realms/esante-wallet")
    assert found.json() == wire.http.get(f"{ISSUER}/.well-known/openid-configuration").json()


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
def test_only_levels_that_somebody_can_reach_are_announced(wire: Wire, tmp_path: Path) -> None:
    address = f"{ISSUER}/.well-known/openid-configuration"
    assert wire.http.get(address).json()["acr_values_supported"] == ["eidas1", "eidas2"]
    (tmp_path / "cards").mkdir()
    with running(tmp_path / "cards", trusted_proxies=("192.0.2.1/32",), **settings_of_cards(tmp_path / "cards")) as with_cards:
        assert with_cards.http.get(address).json()["acr_values_supported"] == ["eidas1", "eidas2", "eidas3"]


@pytest.mark.spec("RFC9126-5", "RFC9101-10.5", "JARM-4", "OIDCD-3")
def test_what_requests_and_answers_may_look_like_is_announced_exactly() -> None:
    announced = metadata(ISSUER, BASE)
    assert announced["response_modes_supported"] == ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]
    assert announced["request_object_signing_alg_values_supported"] == ["ES256", "PS256", "RS256"]
    assert announced["authorization_signing_alg_values_supported"] == announced["id_token_signing_alg_values_supported"]
    assert announced["pushed_authorization_request_endpoint"].endswith("/ext/par/request")
    assert (announced["request_parameter_supported"], announced["request_uri_parameter_supported"]) == (True, True)
    assert announced["require_request_uri_registration"] is True
    assert "registration_endpoint" not in announced
    assert announced["prompt_values_supported"] == ["none", "login", "consent", "select_account"]


@pytest.mark.spec("OIDCD-3")
def test_every_announced_endpoint_answers(wire: Wire) -> None:
    for name, value in metadata(ISSUER, BASE).items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert wire.http.get(value, follow_redirects=False).status_code != 404, name


@pytest.mark.spec("CIBA-4")
def test_what_is_offered_without_a_browser_is_said(wire: Wire) -> None:
    document = wire.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert document["backchannel_authentication_endpoint"] == f"{ISSUER}/protocol/openid-connect/ext/ciba/auth"
    assert document["backchannel_token_delivery_modes_supported"] == ["poll", "ping", "push"]
    assert document["backchannel_authentication_request_signing_alg_values_supported"] == ["ES256", "PS256", "RS256"]
    assert document["backchannel_user_code_parameter_supported"] is False
    assert {"urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:token-exchange"} <= set(
        document["grant_types_supported"]
    )
