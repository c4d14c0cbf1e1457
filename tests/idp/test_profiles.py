from dataclasses import fields

import pytest

from idp.model import Client, Profile
from idp.profiles import SWITCHES, Rules, check_quirks, rules_of


def _client(profile: Profile, **quirks: str | int | bool) -> Client:
    return Client(client_id="c", client_name="C", profile=profile, quirks=quirks)


def test_every_number_of_seconds_has_a_most_that_makes_a_token() -> None:
    for switch in SWITCHES:
        if type(switch.baseline) is int:
            with pytest.raises(ValueError, match=f"quirks.{switch.name} must be a number of seconds from 1 to"):
                check_quirks(_client(Profile.BASELINE, **{switch.name: 10**12}))


def test_every_switch_is_a_rule_and_says_why() -> None:
    assert [switch.name for switch in SWITCHES] == [field.name for field in fields(Rules)]
    assert all(switch.meaning and switch.source for switch in SWITCHES)


@pytest.mark.parametrize("profile", Profile)
def test_a_client_without_overrides_gets_the_column_of_its_profile(profile: Profile) -> None:
    rules = rules_of(_client(profile))
    assert {switch.name: getattr(rules, switch.name) for switch in SWITCHES} == {s.name: getattr(s, profile.value) for s in SWITCHES}


def test_an_override_changes_its_switch_alone() -> None:
    changed = rules_of(_client(Profile.PSC, access_token_seconds=60, pkce_required=True))
    assert (changed.access_token_seconds, changed.pkce_required, changed.keycloak_claims) == (60, True, True)


@pytest.mark.parametrize(
    ("profile", "quirks", "message"),
    [
        (Profile.PSC, {"colour": "red"}, "quirks.colour is not a switch"),
        (Profile.PSC, {"code_seconds": "60"}, "quirks.code_seconds must be of type int"),
        (Profile.PSC, {"code_seconds": True}, "quirks.code_seconds must be of type int"),
        (Profile.PSC, {"code_seconds": 0}, "from 1 to 600"),
        (Profile.PSC, {"access_token_seconds": 99_999_999_999}, "from 1 to 86400"),
        (Profile.FAPI2, {"code_seconds": 61}, "60 at most"),
        (Profile.FAPI2, {"assertion_audience": "legacy"}, "must be issuer"),
        (Profile.PSC, {"acr_told": "eidas9"}, "must be one of reached, requested"),
        (Profile.PSC, {"claims_left_out": "authMode sub"}, "names sub, which a service cannot check a token without"),
        (Profile.PSC, {"claims_emptied": "exp"}, "names exp"),
        (Profile.PSC, {"claims_added": "ChampsAjoute act"}, "names act"),
        (Profile.PSC, {"claims_added": "é"}, "names of letters, digits"),
        (Profile.PSC, {"scope_told_besides": "profile drugs:write"}, "names 'drugs:write'; it may name acr, address"),
        (Profile.PSC, {"auth_level": "1;2"}, "at most 16 digits"),
        (Profile.FAPI2, {"acr_told": "eidas3"}, "is told what is so"),
        (Profile.FAPI2, {"scope_told_besides": "profile"}, "is told what is so"),
        (Profile.FAPI2, {"claims_left_out": "acr"}, "is told what is so"),
        (Profile.BASELINE, {"pkce_required": False}, "cannot be switched off"),
        (Profile.FAPI2, {"pkce_required": False}, "cannot be switched off"),
    ],
)
def test_an_override_that_means_nothing_or_weakens_is_named(profile: Profile, quirks: dict[str, str | int | bool], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_quirks(_client(profile, **quirks))


@pytest.mark.spec("RFC9700-4.14.2")
def test_a_public_client_cannot_keep_its_refresh_token() -> None:
    public = Client(client_id="c", client_name="C", token_endpoint_auth_method="none", quirks={"refresh_rotation": False})
    with pytest.raises(ValueError, match="refresh_rotation cannot be switched off for a public client"):
        check_quirks(public)


@pytest.mark.spec("PSC-3.5")
def test_lifetimes_of_psc_are_those_ans_publishes() -> None:
    rules = rules_of(_client(Profile.PSC))
    assert (rules.access_token_lifetime.seconds, rules.refresh_token_lifetime.seconds, rules.code_lifetime.seconds) == (120, 1800, 60)
