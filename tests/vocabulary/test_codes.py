import re
from datetime import date
from pathlib import Path

import pytest

import vocabulary.codes
from vocabulary.codes import TABLES, Code, code_table, profession_label
from vocabulary.identifiers import PsIdNatType

FILES = Path(vocabulary.codes.__file__).parent / "tables"


def test_every_file_is_a_listed_table_and_every_table_has_its_file() -> None:
    assert {path.stem for path in FILES.iterdir()} == set(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_names_itself_its_claim_and_its_source(name: str) -> None:
    table = code_table(name)
    assert (table.name, table.claim) == (name, TABLES[name])
    assert table.source
    assert table.title
    assert table.oid == "" or re.fullmatch(r"1\.2\.250\.1(\.\d+)+", table.oid)
    assert table.oid or table.note


@pytest.mark.parametrize("name", TABLES)
def test_no_code_is_twice_in_a_table_and_each_has_a_clean_label(name: str) -> None:
    text = (FILES / f"{name}.json").read_text("utf-8")
    rows = re.findall(r'"code": "([^"]+)"', text)
    assert len(rows) == len(set(rows)) == len(code_table(name).codes)
    for code in code_table(name).codes.values():
        assert code.label == code.label.strip()
        assert code.label
        assert not re.search(r"\*\*|ended|unconfirmed|·", code.label)


def test_knows_the_whole_published_list_of_expertise() -> None:
    table = code_table("TRE_R01")
    assert len(table.codes) == 244
    assert table.label("SM54") == "Médecine générale"
    assert {code.family for code in table.codes.values()} == {"C", "CAPA", "CEX", "DSM", "PAC", "SCD", "SCH", "SI", "SM"}


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert code_table("TRE_R21").label("FON-99") == "FON-99"


def test_an_unknown_table_is_refused_with_the_names_of_those_that_exist() -> None:
    with pytest.raises(KeyError, match="TRE_G15"):
        code_table("TRE_X1")


def test_a_code_is_valid_within_its_dates_only() -> None:
    indirect = code_table("TRE_R23").codes["I"]
    assert not indirect.is_valid_on(date(2026, 2, 1))
    assert indirect.is_valid_on(date(2026, 2, 2))
    order = code_table("TRE_R02").codes["SA62"]
    assert order.is_valid_on(date(2023, 12, 31))
    assert not order.is_valid_on(date(2024, 1, 1))
    assert not Code("X", "closed on an unknown day", ended=True).is_valid_on(date(1990, 1, 1))


def test_the_same_profession_code_reads_differently_for_a_student() -> None:
    assert profession_label("10", "C") == "Médecin"
    assert profession_label("10", "E") == "Médecin en formation"
    assert profession_label("93", "C") == "Psychologue"
    assert profession_label("999", "C") == "999"


def test_writes_a_code_with_its_oid_as_the_userinfo_does() -> None:
    assert code_table("TRE_R02").qualified("SA07") == "SA07^1.2.250.1.71.4.2.4"
    with pytest.raises(ValueError, match="no OID"):
        code_table("TRE_R04").qualified("S")


def test_the_types_of_national_identifiers_are_those_of_the_table() -> None:
    assert {str(kind) for kind in PsIdNatType} - {"EDIT"} <= set(code_table("TRE_G08").codes)
