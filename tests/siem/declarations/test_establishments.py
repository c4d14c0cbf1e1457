from pathlib import Path

import pytest

from siem.declarations.establishments import load_establishments
from siem.errors import DataError
from tests.siem.declarations.world import ROOT


def test_the_demonstration_s_establishments_load() -> None:
    establishments = load_establishments(ROOT / "deploy" / "demo" / "establishments.yaml")
    assert establishments["0B0000005"].declarant.qualite == "directeur"
    assert establishments["0B0172805"].siret is None


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("establishments: [{finess: 0B0000005}]", "establishments.0.raison_sociale", "required"),
        ("establishments: [{finess: 0B0000005, raison_sociale: a, fax: 1}]", "establishments.0.fax", "not permitted"),
        ("establishments: [{finess: x, raison_sociale: a}, {finess: x, raison_sociale: b}]", "establishments", "given twice"),
        ("establishments: [", "", "not YAML"),
    ],
)
def test_a_fault_names_file_and_field(tmp_path: Path, text: str, field: str, said: str) -> None:
    path = tmp_path / "establishments.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        load_establishments(path)
    assert (caught.value.path, caught.value.field) == (str(path), field)
    assert said in caught.value.problem
