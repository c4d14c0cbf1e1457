"""The forms of the tree: they load, agree with the schema, and fill from the sample night as the expected files say."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from siem.declarations.documents import build
from siem.declarations.facts import FACTS
from siem.declarations.form import FormField
from siem.declarations.forms import load_forms
from siem.declarations.model import Phase
from siem.declarations.values import display
from siem.incidents.model import CRITERIA
from tests.siem.declarations.world import DIRECTOR, FORMS_FOLDER, SCHEMA, World

FORMS = load_forms(FORMS_FOLDER)
FIELDS = [(form.form, entry) for form in FORMS.forms for _, entry in form.fields()]
SCHEMA_DATA = json.loads(SCHEMA.read_text("utf-8"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.database.close()


def test_every_form_and_the_directory_load_without_a_fault() -> None:
    assert [str(error) for error in FORMS.errors] == []
    assert [form.form for form in FORMS.forms] == ["cert_sante_incident", "cnil_violation", "anssi_nis2"]
    assert [form.form for form in FORMS.in_force(date(2026, 11, 22))] == [form.form for form in FORMS.forms]


@pytest.mark.parametrize("form", FORMS.forms, ids=lambda form: form.form)
def test_a_filled_sample_is_as_expected(form: Any, world: World, expected: Callable[[Path, str], None]) -> None:
    dossier = world.dossiers.get(world.opened(), DIRECTOR)
    document = build(form, dossier, Phase.INITIALE, dossier.state.value, ())
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    expected(Path(__file__).with_name(f"{form.form}.expected.json"), text)
    assert list(Draft202012Validator(SCHEMA_DATA).iter_errors(document)) == []


@pytest.mark.parametrize("form_field", FIELDS, ids=lambda pair: f"{pair[0]}:{pair[1].key}")
def test_the_schema_says_of_each_field_what_the_form_says(form_field: tuple[str, FormField]) -> None:
    _, entry = form_field
    if entry.key.startswith("autres_declarations."):
        regimes = SCHEMA_DATA["properties"]["autres_declarations"]["items"]["properties"]["regime"]["enum"]
        assert entry.key.partition(".")[2] in regimes
        return
    node = SCHEMA_DATA
    for part in entry.key.split("."):
        node = node["properties"][part]
    codes = node.get("enum", node.get("items", {}).get("enum"))
    assert codes == ([option.code for option in entry.values] or None)
    if entry.type in ("text", "long_text") and entry.max_length:
        assert node["maxLength"] == entry.max_length


@pytest.mark.parametrize("form", FORMS.forms, ids=lambda form: form.form)
def test_a_form_names_its_law_where_it_was_read_and_who_receives_it(form: Any) -> None:
    assert form.legal_basis.text
    assert form.legal_basis.source.startswith("https://")
    assert form.legal_basis.read_on <= date(2026, 11, 22)
    assert FORMS.reach(form, date(2026, 11, 22))


def test_what_the_law_does_not_count_in_hours_is_a_target_that_says_so() -> None:
    targets = [rule for form in FORMS.forms for rule in form.deadlines if rule.force == "target"]
    assert {rule.id for rule in targets} >= {"declaration", "resolution", "ose"}
    assert all(rule.word is not None for rule in targets)
    legal = [(form.form, rule.id) for form in FORMS.forms for rule in form.deadlines if rule.force == "legal"]
    assert legal == [("cnil_violation", "notification")]


def test_every_fact_is_used_by_a_form() -> None:
    used = {entry.fact for _, entry in FIELDS if entry.fact}
    assert used == set(FACTS)


def test_the_schema_lists_the_five_criteria() -> None:
    assert set(SCHEMA_DATA["properties"]["criteres"]["properties"]) == set(CRITERIA)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_answer_has_words_in_both_languages(language: str) -> None:
    for _, entry in FIELDS:
        assert entry.label.text(language)
        for option in entry.values:
            assert display(entry, option.code if entry.type == "choice" else [option.code], language)
