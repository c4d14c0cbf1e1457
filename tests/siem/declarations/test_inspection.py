import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from siem.declarations.documents import canonical
from siem.declarations.inspection import Unacceptable, inspect, load_schema
from siem.errors import DataError
from tests.siem.declarations.world import DIRECTOR, SCHEMA, World

VALIDATOR = load_schema(SCHEMA)


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    """A declaration as it is filed."""
    dossier_id = world.complete()
    found: dict[str, Any] = json.loads(world.dossiers.validate(dossier_id, DIRECTOR).body)
    return found


def _faults(world: World, body: bytes) -> dict[str, str]:
    with pytest.raises(Unacceptable) as caught:
        inspect(body, VALIDATOR, world.forms)
    return {fault.field: fault.problem for fault in caught.value.faults}


def test_what_the_service_files_is_accepted(world: World, document: dict[str, Any]) -> None:
    inspected = inspect(canonical(document), VALIDATOR, world.forms)
    assert (inspected.finess, inspected.region, inspected.version_number, inspected.phase) == ("0B0000005", "53", 1, "initiale")


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            document = document[parent]
        if value is None:
            del document[last]
        else:
            document[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (_set("structure.finess_eg", "12"), "structure.finess_eg", "forme inattendue"),
        (_set("structure.finess_eg", "123456789"), "structure.finess_eg", "clé juste"),
        (_set("structure.raison_sociale", None), "structure.raison_sociale", "à renseigner"),
        (_set("structure", None), "", "champ obligatoire absent"),
        (_set("formulaire.id", "cnil_violation"), "formulaire", "ne se dépose pas"),
        (_set("structure.chambre", "12"), "structure", "champ inconnu"),
        (_set("accompagnement.demande", None), "accompagnement.demande", "à renseigner"),
        (_set("incident.etat", "fini"), "incident.etat", "hors de la liste"),
        (_set("incident.date_constat", "2026-11-22 03:14"), "incident.date_constat", "forme inattendue"),
        (_set("incident.date_constat", "2026-13-41T03:14:00Z"), "incident.date_constat", "date et une heure"),
        (_set("incident.resume", "patient 2951099126111 93"), "incident.resume", "identifiant de personne (INS)"),
        (_set("journal", [{"ts": "2026-11-22T03:14:00Z", "acteur": "PAT-ABCDEFGHIJ", "action": "x"}]), "journal[0].acteur", "pseudonyme"),
        (_set("formulaire.version", "1999"), "formulaire", "inconnu de ce guichet"),
        (_set("version", "2.0"), "version", "autre valeur"),
        (_set("impact.donnees.nature", None), "impact.donnees.nature", "à renseigner"),
    ],
)
def test_a_fault_is_named_by_its_field(
    world: World, document: dict[str, Any], change: Callable[[dict[str, Any]], None], field: str, said: str
) -> None:
    document["champs_inconnus"] = [key for key in document["champs_inconnus"] if key != "impact.donnees.nature"]
    document["impact"].setdefault("donnees", {})["nature"] = ["divulgation"]
    change(document)
    faults = _faults(world, json.dumps(document).encode())
    assert said in faults.get(field, ""), faults


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"id": 1, "id": 2}', b"null"])
def test_what_is_no_json_object_is_refused_and_never_crashes(world: World, body: bytes) -> None:
    assert _faults(world, body)


def test_every_fault_is_told_at_once(world: World, document: dict[str, Any]) -> None:
    document["structure"]["finess_eg"] = "1"
    document["incident"]["etat"] = "2"
    document["impact"]["territoire"] = "3"
    assert {"structure.finess_eg", "incident.etat", "impact.territoire"} <= _faults(world, canonical(document)).keys()


def test_a_schema_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    for text in ("{", '{"type": 3}'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"schema\.json"):
            load_schema(path)
