import shutil
from datetime import date
from pathlib import Path

import pytest

from siem.declarations.forms import load_forms, sections_of
from tests.siem.declarations.world import FORMS_FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the forms to spoil."""
    shutil.copytree(FORMS_FOLDER, tmp_path / "forms")
    return tmp_path / "forms"


def _spoil(folder: Path, old: str, new: str, name: str = "cnil_violation.yaml") -> Path:
    path = folder / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("after: PT72H", "after: 72 h", "deadlines.0.after", "a duration such as PT72H"),
        ('trigger: "sent:notification"', 'trigger: "sent:nothing"', "", "no other deadline nothing"),
        ("fact: incident.aware_at", "fact: incident.guess", "cnil.date_prise_connaissance", "no such fact: incident.guess"),
        ("same_as: cert_sante_incident}", "same_as: nowhere}", "structure.raison_sociale", "defines no such field"),
        ("{field: cnil.gravite,", "{field: cnil.gravity,", "cnil.gravity", "which no form defines"),
        ("recipients: [cnil_teleservice]", "recipients: [cnil_fax]", "recipients", "cnil_fax is not in the directory"),
        ("type: integer", "type: number", "sections.2.fields.3.type", "Input should be"),
        ("evidence: M", "evidence: Z", "sections.0.fields.11.evidence", "Input should be"),
        ("{criterion: donnees_sante}", "{criterion: donnees}", "applies.any.0", "no such criterion"),
    ],
)
def test_a_fault_is_named_by_file_and_field_and_the_other_forms_load(folder: Path, old: str, new: str, field: str, said: str) -> None:
    path = _spoil(folder, old, new)
    loaded = load_forms(folder)
    faults = [error for error in loaded.errors if error.path == str(path) and error.field == field and said in error.problem]
    assert faults, [str(error) for error in loaded.errors]
    assert "cert_sante_incident" in [form.form for form in loaded.forms]


def test_a_fault_names_its_line(folder: Path) -> None:
    path = _spoil(folder, "after: PT72H", "after: 72 h")
    line = next(number for number, text in enumerate(path.read_text("utf-8").splitlines(), 1) if "after: 72 h" in text)
    assert [error.line for error in load_forms(folder).errors if error.field == "deadlines.0.after"] == [line]


def test_a_file_that_is_no_yaml_is_named_with_its_line(folder: Path) -> None:
    (folder / "broken.yaml").write_text("form: x\n  - y: [\n", "utf-8")
    (error,) = load_forms(folder).errors
    assert (Path(error.path).name, error.line) == ("broken.yaml", 2)
    assert "not YAML" in error.problem


def test_an_empty_folder_is_an_error_not_silence(tmp_path: Path) -> None:
    assert "no form of declaration found" in load_forms(tmp_path).errors[0].problem


def test_a_key_defined_in_two_forms_is_refused(folder: Path) -> None:
    _spoil(folder, "key: cnil.causes", "key: incident.perimetre")
    assert any("must say same_as" in error.problem for error in load_forms(folder).errors)


def test_a_new_version_of_a_form_takes_over_on_its_day_and_an_overlap_is_refused(folder: Path) -> None:
    text = (folder / "anssi_nis2.yaml").read_text("utf-8")
    newer = text.replace("valid_from: 2018-05-26", "valid_from: 2027-01-01").replace('version: "2026-11-22"', 'version: "2027-01-01"')
    (folder / "anssi_nis2_2027.yaml").write_text(newer, "utf-8")
    assert any("two versions of anssi_nis2" in error.problem for error in load_forms(folder).errors)
    _spoil(folder, "valid_until: null", "valid_until: 2027-01-01", "anssi_nis2.yaml")
    loaded = load_forms(folder)
    assert loaded.errors == ()
    versions = [
        next(form.version for form in loaded.in_force(day) if form.form == "anssi_nis2") for day in (date(2026, 12, 31), date(2027, 1, 1))
    ]
    assert versions == ["2026-11-22", "2027-01-01"]


def test_a_contact_that_is_out_of_date_is_not_shown() -> None:
    forms = load_forms(FORMS_FOLDER)
    anssi = next(form for form in forms.forms if form.form == "anssi_nis2").model_copy(
        update={"recipients": ("anssi_courriel", "anssi_courriel_2022")}
    )
    assert [line.value for line in forms.reach(anssi, date(2025, 1, 1))] == ["cert-fr.cossi@ssi.gouv.fr"]
    assert [line.value for line in forms.reach(anssi, date(2026, 11, 22))] == ["cert-fr@ssi.gouv.fr"]


def test_sections_are_found_by_form_and_name() -> None:
    form, section = sections_of(load_forms(FORMS_FOLDER).forms)["cnil_violation.violation"]
    assert (form.form, section.id) == ("cnil_violation", "violation")
