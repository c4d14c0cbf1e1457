import pytest

from idp.model import Account, AccountKind
from idp.people.claims import psc_userinfo
from idp.people.file import SAMPLES, read_people

PEOPLE = {account.national_id: account for account in read_people(SAMPLES)}
#: Top level of the complete example of ANS's 2023 test card (identity.md §4.5).
TOP = {
    "Secteur_Activite", "sub", "SubjectOrganization", "Mode_Acces_Raison", "preferred_username", "given_name", "Acces_Regulation_Medicale",
    "UITVersion", "authMode", "Palier_Authentification", "SubjectRefPro", "SubjectOrganizationID", "SubjectRole", "PSI_Locale", "otherIds",
    "SubjectNameID", "family_name",
}  # fmt: skip


@pytest.mark.parametrize("account", PEOPLE.values(), ids=lambda account: account.national_id)
def test_every_claim_is_there_for_everyone(account: Account) -> None:
    claims = psc_userinfo(account, "device", sub=f"f:uuid:{account.national_id}", acr="eidas2")
    assert claims.keys() == TOP
    assert claims["SubjectNameID"] == claims["preferred_username"] == account.national_id
    assert None not in claims.values()


def test_the_login_shows_in_means_and_level() -> None:
    account = PEOPLE["899700000005"]
    device = psc_userinfo(account, "device", sub="s", acr="eidas2")
    card = psc_userinfo(account, "certificate", sub="s", acr="eidas3")
    assert (device["authMode"], card["authMode"]) == ("MOBILE", "CARD")
    assert device["Palier_Authentification"] == "APPPRIP3^1.2.250.1.213.1.5.1.1.1"
    assert psc_userinfo(account, "device", sub="s", acr="")["Palier_Authentification"] == ""


def test_an_entry_that_is_almost_empty_still_has_every_claim() -> None:
    account = Account(
        id="x", kind=AccountKind.PROFESSIONAL, national_id="899700000013", family_name="LE GOFF", directory={"UITVersion": "2.0"}
    )
    claims = psc_userinfo(account, "device", sub="f:u:899700000013", acr="eidas2")
    assert claims.keys() == TOP
    assert (claims["UITVersion"], claims["family_name"], claims["SubjectRefPro"]) == (
        "2.0",
        "LE GOFF",
        {"codeCivilite": "", "exercices": []},
    )


def test_what_is_stored_cannot_change_who_the_token_is_about() -> None:
    account = Account(id="x", kind=AccountKind.PROFESSIONAL, national_id="899700000013", directory={"sub": "another", "authMode": "CARD"})
    claims = psc_userinfo(account, "device", sub="f:u:899700000013", acr="eidas2")
    assert (claims["sub"], claims["authMode"]) == ("f:u:899700000013", "MOBILE")
