import io
import subprocess
from pathlib import Path

import pypdf
import pytest

from tests.siem.declarations.world import DIRECTOR, World

#: What would be typst if a text were compiled: a file read, a computation, mark-up, an end of string.
HOSTILE = '#read("/etc/passwd") #{1+1} *gras* = Titre <label> $x^2$ \\ " ] ) #panic() @ref'


def _text(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages)


def _squeezed(text: str) -> str:
    return "".join(text.split())


def test_the_declaration_on_paper_says_what_the_dossier_says(world: World) -> None:
    dossier_id = world.filed()
    version = world.dossiers.versions(dossier_id, DIRECTOR)[0]
    text = _squeezed(_text(world.dossiers.pdf(dossier_id, DIRECTOR, 1)))
    for expected in (
        "Centre hospitalier d’Exemple",
        "0B0000005",
        "VEI-2026-000001",
        version.sha256,
        "TLP:AMBER+STRICT",
        "Inconnu à ce jour",
        "47 dossiers",
    ):
        assert _squeezed(expected) in text
    assert "Brouillon" not in text


def test_it_is_tagged_in_french_with_a_title_and_claims_the_accessible_archive_standards(world: World) -> None:
    data = world.dossiers.pdf(world.filed(), DIRECTOR)
    reader = pypdf.PdfReader(io.BytesIO(data))
    catalog = reader.trailer["/Root"]
    assert bool(catalog["/MarkInfo"]["/Marked"])
    assert catalog["/Lang"].lower().startswith("fr")
    assert "/StructTreeRoot" in catalog
    assert reader.metadata is not None
    assert reader.metadata.title == "Signalement d’un incident de sécurité des systèmes d’information"
    metadata = catalog["/Metadata"].get_data().decode()
    assert "pdfuaid:part" in metadata
    assert "pdfaid:part" in metadata
    fonts = [font.get_object()["/DescendantFonts"][0].get_object() for font in reader.pages[0]["/Resources"]["/Font"].values()]
    assert all({"/FontFile2", "/FontFile3"} & set(font["/FontDescriptor"].get_object()) for font in fonts)


def test_what_a_person_typed_is_shown_and_never_compiled(world: World) -> None:
    dossier_id = world.complete()
    typed = {"incident.resume": HOSTILE, "incident.actions": f"fait | | {HOSTILE}"}
    assert world.dossiers.save_section(dossier_id, "cert_sante_incident.incident", typed, DIRECTOR) == []
    structure = {"structure.raison_sociale": HOSTILE[:200]}
    assert world.dossiers.save_section(dossier_id, "cert_sante_incident.structure", structure, DIRECTOR) == []
    text = _squeezed(_text(world.dossiers.pdf(dossier_id, DIRECTOR)))
    assert text.count(_squeezed('#read("/etc/passwd")#{1+1}*gras*=Titre<label>$x^2$')) >= 3
    assert "root:" not in text


def test_a_draft_says_that_it_is_one_and_has_no_proof(world: World) -> None:
    text = _text(world.dossiers.pdf(world.complete(), DIRECTOR))
    assert "n’est ni validée ni figée" in text
    assert "SHA-256 du JSON" not in text


def test_a_frozen_version_is_the_same_file_every_time(world: World) -> None:
    dossier_id = world.filed()
    assert world.dossiers.pdf(dossier_id, DIRECTOR, 1) == world.dossiers.pdf(dossier_id, DIRECTOR, 1)


@pytest.mark.parametrize("form_id", ["cnil_violation", "anssi_nis2"])
def test_the_other_forms_have_their_paper_too(world: World, form_id: str) -> None:
    form = next(form for form in world.forms.forms if form.form == form_id)
    assert _squeezed(form.title.text("fr")) in _squeezed(_text(world.dossiers.pdf(world.complete(), DIRECTOR, form_id=form_id)))


@pytest.mark.service("pdftoppm")
def test_another_reader_draws_its_pages(world: World, tmp_path: Path) -> None:
    path = tmp_path / "declaration.pdf"
    path.write_bytes(world.dossiers.pdf(world.filed(), DIRECTOR))
    subprocess.run(["pdftoppm", "-r", "40", "-png", str(path), str(tmp_path / "page")], check=True, capture_output=True)
    assert len(list(tmp_path.glob("page-*.png"))) == len(pypdf.PdfReader(path).pages)


def test_a_word_too_long_for_its_column_stays_on_the_page(world: World) -> None:
    dossier_id = world.complete()
    typed = {"incident.resume": "é" * 3000 + "\n" + "mot " * 240}
    assert world.dossiers.save_section(dossier_id, "cert_sante_incident.incident", typed, DIRECTOR) == []
    text = _text(world.dossiers.pdf(dossier_id, DIRECTOR)).replace("\u200b", "")
    assert _squeezed(text).count("é" * 8) > 100
    assert max(len(line) for line in text.splitlines()) < 200
