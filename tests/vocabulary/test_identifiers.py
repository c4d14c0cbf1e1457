import json
import string
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vocabulary.identifiers import (
    Adeli,
    Finess,
    IdentifierError,
    IdNatStruct,
    Ins,
    InsOid,
    PsIdNat,
    Rpps,
    RppsRang,
    Siren,
    Siret,
    luhn_holds,
    luhn_key,
    nir_key,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "identifiers.json").read_text("utf-8"))
CLASSES = {
    "rpps": Rpps,
    "rpps_rang": RppsRang,
    "adeli": Adeli,
    "finess": Finess,
    "siren": Siren,
    "siret": Siret,
    "ps_idnat": PsIdNat,
    "id_nat_struct": IdNatStruct,
}
VALID = [(name, row if isinstance(row, str) else row["text"]) for name in CLASSES for row in VECTORS[name]["valid"]]
INVALID = [(name, row["text"], row["problem"]) for name in CLASSES for row in VECTORS[name]["invalid"]]

digits = st.text(string.digits, min_size=10, max_size=10)
matricules = st.builds(
    "".join,
    st.tuples(
        st.sampled_from("12"),
        st.text(string.digits, min_size=2, max_size=2),
        st.integers(1, 12).map("{:02d}".format),
        st.sampled_from(["01", "75", "2A", "2B", "99"]),
        st.text(string.digits, min_size=6, max_size=6),
    ),
)


@pytest.mark.parametrize(("name", "text"), VALID)
def test_reads_every_valid_vector_and_gives_it_back(name: str, text: str) -> None:
    parsed = CLASSES[name].parse(text)
    assert CLASSES[name].parse(str(parsed)) == parsed
    assert str(parsed).endswith(text.replace(" ", ""))


@pytest.mark.parametrize(("name", "text", "problem"), INVALID)
def test_refuses_every_invalid_vector_and_says_why(name: str, text: str, problem: str) -> None:
    with pytest.raises(IdentifierError) as refusal:
        CLASSES[name].parse(text)
    assert problem in refusal.value.problem
    assert refusal.value.kind in str(refusal.value)


@given(digits, st.integers(0, 10), st.integers(1, 9))
def test_one_changed_digit_of_an_rpps_is_refused(order: str, place: int, change: int) -> None:
    number = order + luhn_key(order)
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]
    assert Rpps.parse(number).value == number
    with pytest.raises(IdentifierError, match="mistyped"):
        Rpps.parse(wrong)


@given(digits, st.integers(0, 9))
def test_two_swapped_neighbours_are_seen_unless_they_are_0_and_9(order: str, place: int) -> None:
    number = order + luhn_key(order)
    first, second = number[place], number[place + 1]
    assume(first != second and {first, second} != {"0", "9"})
    assert not luhn_holds(number[:place] + second + first + number[place + 2 :])


@given(matricules, st.integers(0, 14), st.integers(1, 9))
def test_one_changed_digit_of_an_ins_is_refused(matricule: str, place: int, change: int) -> None:
    number = matricule + nir_key(matricule)
    assert str(Ins.parse(number, InsOid.NIR_TEST)) == number
    assume(number[place].isdigit())
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]
    with pytest.raises(IdentifierError):
        Ins.parse(wrong, InsOid.NIR_TEST)


@given(matricules)
def test_the_two_published_ways_to_compute_a_corsican_key_agree(matricule: str) -> None:
    letter = matricule[6]
    assume(letter in "AB")
    with_zero = int(matricule.replace(letter, "0")) - {"A": 1_000_000, "B": 2_000_000}[letter]
    assert nir_key(matricule) == f"{97 - with_zero % 97:02d}"


@pytest.mark.parametrize("row", VECTORS["ins"]["valid"], ids=lambda row: row["matricule"])
def test_computes_the_key_of_every_ins_vector(row: dict[str, str]) -> None:
    assert nir_key(row["matricule"]) == row["key"]
    assert Ins.parse(row["matricule"] + " " + row["key"], "1.2.250.1.213.1.4.10").oid is InsOid.NIR_TEST


@pytest.mark.parametrize("row", VECTORS["ins"]["invalid"], ids=lambda row: row["text"])
def test_refuses_every_invalid_ins_without_echoing_it(row: dict[str, str]) -> None:
    with pytest.raises(IdentifierError) as refusal:
        Ins.parse(row["text"], InsOid.NIR_TEST)
    assert row["problem"] in refusal.value.problem
    assert row["text"] not in str(refusal.value)


def test_refuses_an_unknown_register() -> None:
    with pytest.raises(IdentifierError, match=r"unknown OID 1\.2\.3"):
        Ins.parse("185017505600149", "1.2.3")


def test_tells_what_a_national_identifier_is() -> None:
    for row in VECTORS["ps_idnat"]["valid"]:
        parsed = PsIdNat.parse(row["text"])
        assert str(parsed.type) == row["type"]
        assert (parsed.rpps and parsed.rpps.value) == row["rpps"]


def test_tells_what_a_structure_is() -> None:
    for row in VECTORS["id_nat_struct"]["valid"]:
        assert IdNatStruct.parse(row["text"]).structure.kind == row["kind"]


def test_says_which_keys_nobody_could_check() -> None:
    assert Rpps.parse("99700000005").key_checked
    assert not Adeli.parse("012600631").key_checked
    assert Finess.parse("000000000").key_checked
    assert not Finess.parse("0B0000005").key_checked
    assert Finess.parse("0B0000005").fictitious
    assert not Finess.parse("2A0000014").fictitious


def test_a_site_of_la_poste_has_its_own_rule() -> None:
    assert not luhn_holds("35600000000010")
    assert Siret.parse("356000 000 00010").siren == Siren.parse("356000000")


def test_parts_of_a_place_of_practice() -> None:
    place = RppsRang.parse("99700366240007")
    assert (place.rpps.national_id, place.rank) == ("899700366240", 0)


def test_neither_mask_nor_repr_shows_a_person() -> None:
    assert Rpps.parse("99700000005").mask() == "997******05"
    assert repr(PsIdNat.parse("899700000005")) == "PsIdNat(899*******05)"
    patient = Ins.parse("185017505600149", InsOid.NIR_TEST)
    assert repr(patient) == "Ins(INS-NIR_TEST)"
    assert str(Finess.parse("0B0000005")) == Finess.parse("0B0000005").mask()
