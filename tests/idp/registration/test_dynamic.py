import pytest

from idp.errors import InvalidClientMetadata, InvalidRequest, UnapprovedSoftwareStatement
from idp.model import Profile
from idp.registration.dynamic import (
    MEMBERS,
    Bounds,
    check_update,
    issued_at,
    new_client_id,
    new_token,
    read_registration,
    registered_members,
)
from tests.idp.wire import REDIRECT, client

BOUNDS = Bounds(scope=frozenset({"openid"}), grant_types=frozenset({"authorization_code"}), operators={"profile": Profile.BASELINE})


@pytest.mark.spec("RFC7591-2")
def test_what_the_operator_says_is_never_the_clients_to_say() -> None:
    assert not {"profile", "quirks", "disabled", "structure_name", "structure_finess", "resources", "client_id"} & set(MEMBERS)
    with pytest.raises(InvalidClientMetadata, match="disabled: is set by the operator"):
        read_registration({"redirect_uris": [REDIRECT], "disabled": False}, "c", BOUNDS)
    with pytest.raises(UnapprovedSoftwareStatement):
        read_registration({"redirect_uris": [REDIRECT], "software_statement": "x"}, "c", BOUNDS)


def test_a_client_without_a_name_is_called_by_the_place_it_comes_from() -> None:
    assert read_registration({"redirect_uris": [REDIRECT]}, "c", BOUNDS).client_name == "service.example"


@pytest.mark.spec("OIDCR-2")
def test_what_is_not_said_has_the_standards_defaults() -> None:
    made = read_registration({"redirect_uris": [REDIRECT]}, "c", BOUNDS)
    assert (made.id_token_signed_response_alg, made.token_endpoint_auth_method) == ("RS256", "client_secret_basic")
    assert registered_members(made)["response_types"] == ["code"]
    assert made.registration_bounds == {"scope": ["openid"], "grant_types": ["authorization_code"]}
    assert Bounds.of_client(made).scope == BOUNDS.scope


@pytest.mark.spec("OIDCR-2", "OIDCC-8.1")
def test_a_client_that_asks_for_a_subject_of_its_own_gets_one_whatever_its_profile() -> None:
    bounds = Bounds(scope=BOUNDS.scope, grant_types=BOUNDS.grant_types, operators={"profile": Profile.PSC})
    made = read_registration({"redirect_uris": [REDIRECT], "subject_type": "pairwise"}, "c", bounds)
    assert (made.subject_type, made.quirks) == ("pairwise", {"keycloak_subject": False})
    assert read_registration({"redirect_uris": [REDIRECT]}, "c", bounds).quirks == {}
    assert read_registration({"redirect_uris": [REDIRECT], "subject_type": "pairwise"}, "c", Bounds.of_client(made)).quirks == made.quirks


def test_identifiers_and_tokens_are_random_and_only_hashes_are_kept() -> None:
    value, kept = new_token()
    assert len(value) >= 43
    assert value not in kept
    assert len({new_client_id() for _ in range(100)}) == 100


def test_only_a_client_that_registered_itself_is_told_since_when() -> None:
    with pytest.raises(AssertionError):
        issued_at(client("c"))
    with pytest.raises(InvalidRequest, match="client_id"):
        check_update({}, client("c"))
