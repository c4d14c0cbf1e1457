"""The means of login as a table."""

from idp.authentication import METHODS, Method, best_acr
from idp.settings import Settings
from idp.tokens.claims import AUTH_MODES
from idp.tokens.step_up import ACR_LEVELS


def test_the_best_level_is_that_of_what_is_offered() -> None:
    assert best_acr(METHODS) == "eidas3"
    assert best_acr({"device": METHODS["device"]}) == "eidas2"
    assert best_acr({"device": Method(("hwk",), "eidas3"), "certificate": Method(("sc",), "eidas2")}) == "eidas3"
    assert Method((), "urn:somebody-else").level == 0


def test_every_means_has_a_level_and_the_name_that_clients_of_psc_know() -> None:
    assert {method.acr for method in METHODS.values()} <= ACR_LEVELS.keys()
    assert METHODS.keys() == AUTH_MODES.keys()


def test_the_settings_say_the_same_where_nothing_is_set() -> None:
    fields = Settings.model_fields
    for name, prefix in (("device", "device"), ("certificate", "card")):
        assert METHODS[name] == Method(fields[f"{prefix}_amr"].default, fields[f"{prefix}_acr"].default)
