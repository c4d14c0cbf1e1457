import json
from dataclasses import replace

import pytest

from idp.model import Account, AccountKind, Client
from idp.profiles import rules_of
from idp.tokens.claims import login_name, psc_login, sector_of, subject, userinfo_claims
from tests.idp.wire import CLIENTS, PERSON, client

CLIENT = {each.client_id: each for each in CLIENTS}
PATIENT = Account(id="p-1", kind=AccountKind.PATIENT)


def _subject(registered: Client, account: Account, pepper: bytes = b"p" * 32) -> str:
    return subject(registered, account, rules_of(registered), storage_id="storage", pairwise_pepper=pepper)


@pytest.mark.spec("PSC-3.2")
def test_psc_clients_see_the_subject_that_keycloak_gives() -> None:
    assert _subject(CLIENT["psc"], PERSON) == f"f:storage:{PERSON.national_id}"


@pytest.mark.spec("OIDCC-8.1")
def test_a_pairwise_subject_differs_by_sector_and_by_provider_and_names_nobody() -> None:
    one = client("a", subject_type="pairwise", redirect_uris=("https://a.example/retour",))
    same_sector = [replace(one, client_id=name, sector_identifier="service.example") for name in ("a", "b")]
    assert _subject(same_sector[0], PATIENT) == _subject(same_sector[1], PATIENT)
    assert (
        len(
            {
                _subject(one, PATIENT),
                _subject(replace(one, redirect_uris=("https://b.example/retour",)), PATIENT),
                _subject(one, PATIENT, b"q" * 32),
            }
        )
        == 3
    )
    assert PATIENT.id not in _subject(one, PATIENT)


@pytest.mark.spec("OIDCC-8.1")
def test_the_sector_is_the_one_host_of_the_redirect_uris_and_loopback_is_none() -> None:
    assert sector_of(client("a")) == sector_of(client("b")) == "service.example"
    assert sector_of(client("a", sector_identifier="groupe.example")) == "groupe.example"
    loopback = {"redirect_uris": ("http://127.0.0.1/retour",)}
    assert sector_of(client("a", **loopback)) != sector_of(client("b", **loopback))
    several = {"redirect_uris": ("https://a.example/r", "https://b.example/r")}
    assert sector_of(client("a", **several)) != sector_of(client("b", **several))


@pytest.mark.spec("OIDCC-8.1", "CSP-R1111-8-2")
@pytest.mark.parametrize("client_id", ["baseline", "psc", "pairwise"])
def test_a_patient_is_pairwise_at_every_client_and_never_goes_by_another_name(client_id: str) -> None:
    patient = replace(PATIENT, national_id="185017505600149", directory={"sub": "185017505600149"})
    sub = _subject(CLIENT[client_id], patient)
    assert len(sub) == 43
    assert sub != _subject(client("far", redirect_uris=("https://far.example/r",)), patient)
    said = json.dumps([userinfo_claims(patient, frozenset({"openid", "profile", "identity"}), sub=sub), login_name(patient, sub)])
    assert "185017505600149" not in said
    assert patient.id not in said


@pytest.mark.spec("OIDCC-5.4")
@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ({"openid"}, {"sub"}),
        ({"openid", "profile"}, {"sub", "name", "given_name", "family_name", "preferred_username"}),
        ({"openid", "identity"}, {"sub", "preferred_username", "SubjectNameID", "given_name", "family_name"}),
    ],
)
def test_userinfo_holds_what_the_scope_gives_and_no_more(scope: set[str], names: set[str]) -> None:
    assert userinfo_claims(PERSON, frozenset(scope), sub="s").keys() == names


def test_civility_comes_from_the_directory() -> None:
    person = replace(PERSON, directory={"SubjectRefPro": {"codeCivilite": "MME"}})
    assert userinfo_claims(person, frozenset({"identity"}), sub="s")["codeCivilite"] == "MME"


@pytest.mark.spec("PSC-3.2")
def test_only_an_rpps_is_named_as_such() -> None:
    assert psc_login(PERSON, "device")["otherIds"] == [{"identifiant": PERSON.national_id, "origine": "RPPS", "qualite": 1}]
    assert "otherIds" not in psc_login(replace(PERSON, national_id="500000000000005/CPAT00045"), "device")
    assert psc_login(PERSON, "certificate")["authMode"] == "CARD"
