from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.declarations.filling import distinct_fields
from siem.declarations.form import FormField
from siem.declarations.values import Wrong, check, display, input_text, phone_text, read, read_instant
from tests.siem.declarations.world import forms

FIELDS = distinct_fields(forms().forms)


def _read(key: str, raw: str | list[str]) -> Any:
    return read(FIELDS[key], raw, "fr")


def _fault(key: str, raw: str | list[str]) -> str:
    with pytest.raises(Wrong) as caught:
        _read(key, raw)
    return str(caught.value)


def _value_of(field: FormField) -> st.SearchStrategy[Any]:
    """Any value that the field may hold."""
    text = st.text(st.characters(codec="utf-8", categories=["Ll", "Lu"]), min_size=1, max_size=20)
    instant = st.integers(946_684_800, 2_840_140_800).map(
        lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
    cells = {"choice": lambda c: st.sampled_from(c.codes), "instant": lambda c: instant, "text": lambda c: text}
    by_type = {
        "integer": st.integers(0, 999_999_999),
        "boolean": st.booleans(),
        "instant": instant,
        "email": st.just("direction@ch-exemple.example"),
        "phone": st.just("+33199000001"),
        "finess": st.just("0B0000005"),
        "siret": st.just("35600000000048"),
        "lines": st.lists(text, min_size=1, max_size=3),
        "choice": st.sampled_from([option.code for option in field.values]) if field.values else st.nothing(),
        "choices": st.lists(
            st.sampled_from([option.code for option in field.values if option.code not in field.exclusive]), min_size=1, unique=True
        )
        if field.values
        else st.nothing(),
        "rows": st.lists(
            st.fixed_dictionaries({column.key: cells[column.type](column) for column in field.columns}), min_size=1, max_size=3
        ),
    }
    return by_type.get(field.type, text)


@given(st.sampled_from(sorted(FIELDS)).flatmap(lambda key: st.tuples(st.just(key), _value_of(FIELDS[key]))))
def test_what_an_input_shows_reads_back_as_the_same_value(pair: tuple[str, Any]) -> None:
    key, value = pair
    shown = input_text(FIELDS[key], value)
    assert read(FIELDS[key], list(shown) if isinstance(shown, tuple) else shown, "fr") == value
    assert display(FIELDS[key], value, "fr")


def test_an_empty_input_is_no_value() -> None:
    assert _read("incident.resume", "  \r\n ") is None
    assert _read("structure.statuts", ["", ""]) is None
    assert _read("structure.type", []) is None


def test_a_wall_clock_time_is_that_of_paris() -> None:
    assert read_instant("2026-11-22T03:14", "fr") == "2026-11-22T02:14:00Z"
    assert read_instant("2026-07-22T03:14+00:00", "fr") == "2026-07-22T03:14:00Z"


def test_a_time_that_the_spring_change_skips_is_refused_and_a_repeated_one_is_its_first_pass() -> None:
    assert "n’existe pas" in _fault("incident.date_constat", "2026-03-29T02:30")
    assert read_instant("2026-10-25T02:30", "fr") == "2026-10-25T00:30:00Z"


@pytest.mark.parametrize(
    ("key", "raw", "said"),
    [
        ("incident.nb_comptes", "-1", "nombre entier"),
        ("incident.nb_comptes", "1,5", "nombre entier"),
        ("incident.nb_comptes", "١٢", "nombre entier"),
        ("accompagnement.demande", "true", "oui"),
        ("structure.type", "hôpital", "n’est pas une des réponses"),
        ("structure.statuts", ["aucun", "ose"], "Aucun"),
        ("structure.type", ["autre", "clcc"], "une seule réponse"),
        ("declarant.courriel", "direction", "courriel"),
        ("declarant.courriel", "a@b.example\n", ""),
        ("declarant.telephone", "01 99 00 00 01", "international"),
        ("structure.siret", "12345678901234", "SIRET"),
        ("structure.finess_eg", "123456789", "FINESS"),
        ("incident.date_constat", "hier", "date et une heure"),
        ("incident.resume", "x" * 4001, "4001 caractères, 4000 au plus"),
        ("declarant.nom", "Du\x00pont", "caractère de contrôle"),
        ("declarant.nom", "Du\u202epont", "caractère de contrôle"),
        ("incident.resume", "le patient 2951099126111 93", "identifiant de personne (INS)"),
        ("incident.actions", "fait | 2026-11-22T03:14", "3 colonnes"),
        ("incident.actions", "fini | | Sessions révoquées", "ligne 1, etat"),
        ("incident.actions", "fait | | ", "ligne 1, texte"),
        ("incident.actions", "fait | | a\nfait | demain | b", "ligne 2, date"),
        ("incident.indicateurs", "ipv4-addr | PAT-ABCDEFGHIJ", "pseudonyme"),
    ],
)
def test_says_what_is_wrong_with_a_value(key: str, raw: str | list[str], said: str) -> None:
    if not said:
        assert _read(key, raw) == raw[:-1]  # a newline at the end is only how it was typed
        return
    assert said in _fault(key, raw)


def test_a_telephone_number_may_be_typed_with_spaces() -> None:
    assert _read("declarant.telephone", "+33 1 99.00.00-01".replace("-", " ")) == "+33199000001"
    assert phone_text("+33199000001") == "+33\u00a01\u00a099\u00a000\u00a000\u00a001"
    assert phone_text("+3225551234") == "+3225551234"


def test_a_sentence_of_a_row_may_hold_the_stroke() -> None:
    assert _read("incident.actions", "fait | | a | b")[0]["texte"] == "a | b"


def test_stored_values_of_another_shape_are_refused() -> None:
    for key, value in [("incident.resume", 3), ("incident.nb_comptes", True), ("structure.statuts", "ose"), ("incident.actions", ["x"])]:
        with pytest.raises(Wrong):
            check(FIELDS[key], value, "fr")  # type: ignore[arg-type]
