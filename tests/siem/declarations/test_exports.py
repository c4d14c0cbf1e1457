import json

import pytest

from siem.declarations.model import DossierAbsent
from tests.siem.declarations.world import DIRECTOR, World


def test_a_draft_is_exported_as_it_is_and_a_frozen_version_as_it_was(world: World) -> None:
    dossier_id = world.complete()
    draft = json.loads(world.dossiers.json(dossier_id, DIRECTOR))
    assert (draft["etat"], draft["numero_version"]) == ("brouillon", 1)
    version = world.dossiers.validate(dossier_id, DIRECTOR)
    world.dossiers.save_section(dossier_id, "cert_sante_incident.incident", {"incident.nb_postes": "2"}, DIRECTOR)
    assert world.dossiers.json(dossier_id, DIRECTOR, 1) == version.body
    assert json.loads(world.dossiers.json(dossier_id, DIRECTOR))["incident"]["nb_postes"] == 2


def test_every_form_is_frozen_with_the_same_version(world: World) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)
    documents = [json.loads(world.dossiers.json(dossier_id, DIRECTOR, 1, form_id=form.form)) for form in world.forms.forms]
    assert [document["formulaire"]["id"] for document in documents] == ["cert_sante_incident", "cnil_violation", "anssi_nis2"]
    assert {document["id"] for document in documents} == {dossier_id}


def test_what_does_not_exist_is_absent(world: World) -> None:
    dossier_id = world.complete()
    for ask in (
        lambda: world.dossiers.json(dossier_id, DIRECTOR, 7),
        lambda: world.dossiers.pdf(dossier_id, DIRECTOR, 1),
        lambda: world.dossiers.json(dossier_id, DIRECTOR, form_id="eigs"),
        lambda: world.dossiers.differences(dossier_id, 1, None, DIRECTOR),
    ):
        with pytest.raises(DossierAbsent):
            ask()
