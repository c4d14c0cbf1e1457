from tests.idp.wire import BASE, ISSUER, Wire


def test_it_holds_what_the_settings_say_and_secrets_of_its_own(wire: Wire) -> None:
    provider = wire.provider
    assert (provider.base_url, provider.issuer, provider.https, provider.development) == (BASE, ISSUER, False, True)
    assert len(provider.pin_pepper) == 32
    assert provider.pin_pepper != provider.keys.pepper("pairwise-subject")
