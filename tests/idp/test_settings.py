from pathlib import Path

import pytest
from pydantic import ValidationError

from idp.settings import Environment, Settings, load

#: People log in by card, as the how-to says.
CARDS: dict[str, object] = {
    "trusted_proxies": "192.0.2.1/32",
    "client_certificate_header": "X-C",
    "client_certificate_verify_header": "X-V",
    "card_base_url": "https://carte.idp.example",
    "card_authorities_file": "cards.pem",
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("IDP_"):
            monkeypatch.delenv(name)


def test_production_is_the_default_and_demands_https() -> None:
    with pytest.raises(ValidationError, match="production needs https"):
        load()


def test_development_works_without_any_other_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ENVIRONMENT", "development")
    settings = load()
    assert settings.issuer == "http://127.0.0.1:8800/auth/realms/esante-wallet"
    assert settings.control_api
    assert settings.seal_key == Path("var/idp/seal.key")


def test_a_production_provider_has_no_control_api() -> None:
    assert Settings(base_url="https://idp.example").control_api is False


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"control_api": True}, "IDP_CONTROL_API"),
        ({"clock_start": "2026-01-01T00:00:00Z"}, "IDP_CLOCK_START"),
        ({"discovery_psc_values": True}, "IDP_DISCOVERY_PSC_VALUES"),
        ({"store_synchronous": "normal"}, "IDP_STORE_SYNCHRONOUS"),
        ({"client_certificate_header": "X-C", "client_certificate_verify_header": "X-V"}, "needs IDP_TRUSTED_PROXIES"),
        ({"client_certificate_header": "X-C", "trusted_proxies": "192.0.2.1/32"}, "go together"),
        ({"client_certificate_verify_header": "X-V"}, "go together"),
        ({"card_base_url": "https://carte.idp.example"}, "go together"),
        ({"card_authorities_file": "cards.pem"}, "go together"),
        ({"card_revocations_file": "lists.pem"}, "needs IDP_CARD_BASE_URL"),
        ({**CARDS, "client_certificate_header": "", "client_certificate_verify_header": ""}, "needs IDP_CLIENT_CERTIFICATE_HEADER"),
        ({**CARDS, "card_base_url": "https://carte.idp.example/"}, "no final slash"),
        ({**CARDS, "card_base_url": "ftp://carte.idp.example"}, "http or https"),
        ({**CARDS, "card_base_url": "http://carte.idp.example"}, "must be https, at another host name or port"),
        ({**CARDS, "card_base_url": "https://idp.example"}, "must be https, at another host name or port"),
        ({**CARDS, "card_acr": "eidas4"}, "eidas3"),
        ({"mtls_base_url": "https://mtls.example"}, "IDP_MTLS_BASE_URL"),
        ({"issuer": "http://idp.example/realm"}, "IDP_ISSUER"),
        ({"base_url": "https://idp.example/"}, "must not end with a slash"),
        ({"issuer": "https://other.example/realm"}, "must begin with IDP_BASE_URL"),
        ({"base_url": "idp.example"}, "IDP_BASE_URL must be an http or https URL"),
        ({"trusted_proxies": "10.0.0.0/8, nonsense"}, "nonsense"),
        ({"port": 0}, "port"),
    ],
)
def test_an_unsafe_or_wrong_value_is_refused_by_name(members: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(**{"base_url": "https://idp.example", **members})  # type: ignore[arg-type]


def test_cards_are_off_unless_they_are_there_as_a_whole() -> None:
    assert Settings(base_url="https://idp.example").card_base_url == ""
    settings = Settings(base_url="https://idp.example", card_amr="sc, hwk", **CARDS)  # type: ignore[arg-type]
    assert (settings.card_acr, settings.card_amr, settings.card_identifier) == ("eidas3", ("sc", "hwk"), "CN")


def test_an_unknown_variable_with_the_prefix_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ENVIRONMENT", "development")
    monkeypatch.setenv("IDP_PROT", "8800")
    with pytest.raises(ValueError, match="IDP_PROT is not a setting"):
        load()


def test_proxies_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ENVIRONMENT", "development")
    monkeypatch.setenv("IDP_TRUSTED_PROXIES", "127.0.0.1/32, ::1/128")
    assert load().trusted_proxies == ("127.0.0.1/32", "::1/128")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings(environment=Environment.DEVELOPMENT).port = 1  # type: ignore[misc]
