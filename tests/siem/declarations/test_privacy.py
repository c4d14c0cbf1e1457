import pytest

from siem.declarations.privacy import find_identifier, without_pseudonyms
from vocabulary.identifiers import nir_key

MATRICULE = "2951099126111"
INS = MATRICULE + nir_key(MATRICULE)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"le patient {INS} est concerné", "INS"),
        (f"{INS[0]} {INS[1:3]} {INS[3:5]} {INS[5:7]} {INS[7:10]} {INS[10:13]} {INS[13:]}", "INS"),
        (f"({INS[:13]}.{INS[13:]})", "INS"),
        (f"NIR {MATRICULE}, sans clé", "NIR"),
        ("compte 99700000005", "RPPS"),
        ("compte 899700000005", "RPPS"),
        ("PAT-ABCDEFGHIJ consulté", "pseudonyme"),
        ("le compte P-ABCDEFGHIJ", "pseudonyme"),
    ],
)
def test_finds_an_identifier_of_a_person(text: str, kind: str) -> None:
    assert find_identifier(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "47 dossiers consultés le 22 nov. 2026, 03:14",
        "203.0.113.7 et 198.51.100.23, 2001:db8::1",
        "INC-2026-000001, VEI-2026-000001, dossier a2d7303d-d160-5b2a-8223-2a8de4491f01",
        "0B0000005",
        "+33199000001, +33 1 99 00 00 01",
        "ab" * 32,
        "T1621, T1078.004, CVE-2026-12345",
        "2026-11-22T03:14:00Z",
        f"{MATRICULE}0{nir_key(MATRICULE)}9",
        "",
    ],
)
def test_leaves_numbers_that_are_nobodys(text: str) -> None:
    assert find_identifier(text) is None


def test_takes_pseudonyms_out_of_a_sentence() -> None:
    sentence = "Compte de P-ABCDEFGHIJ : PAT-ABCDEFGHIJ consulté"
    assert without_pseudonyms(sentence) == "Compte d’un professionnel : un patient consulté"
