import json
import re
from typing import Any

from siem.declarations.stix import INCIDENT_EXTENSION, TLP_AMBER_STRICT
from tests.siem.declarations.world import DIRECTOR, World


def _bundle(world: World, dossier_id: str) -> dict[str, Any]:
    bundle: dict[str, Any] = json.loads(world.dossiers.stix(dossier_id, DIRECTOR))
    return bundle


def _one(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = (entry for entry in bundle["objects"] if entry["type"] == kind)
    return found


def test_every_reference_points_to_an_object_of_the_bundle_and_every_id_is_of_its_type(world: World) -> None:
    bundle = _bundle(world, world.filed())
    ids = {entry["id"] for entry in bundle["objects"]}
    references = [value for entry in bundle["objects"] for key, value in entry.items() if key.endswith("_ref")]
    references += [ref for entry in bundle["objects"] for ref in entry.get("object_marking_refs", [])]
    assert set(references) <= ids
    assert all(re.fullmatch(rf"{entry['type']}--[0-9a-f-]{{36}}", entry["id"]) for entry in bundle["objects"])
    assert all(entry["spec_version"] == "2.1" for entry in bundle["objects"])
    assert len(ids) == len(bundle["objects"])


def test_the_incident_carries_the_core_extension_and_the_marking(world: World) -> None:
    dossier_id = world.filed()
    incident = _one(_bundle(world, dossier_id), "incident")
    extension = incident["extensions"][INCIDENT_EXTENSION]
    assert (extension["determination"], extension["investigation_status"]) == ("confirmed", "open")
    assert extension["detection_methods"] == ["automated-tool"]
    assert extension["impacted_entity_counts"] == {"customer-individual": 47}
    assert incident["object_marking_refs"] == [TLP_AMBER_STRICT]
    assert {ref["external_id"] for ref in incident["external_references"]} == {dossier_id, "T1020", "T1078", "T1213", "T1548", "T1621"}


def test_the_structure_is_named_and_no_person_is(world: World) -> None:
    bundle = _bundle(world, world.filed())
    identity = _one(bundle, "identity")
    assert identity["external_references"] == [{"source_name": "FINESS", "external_id": "0B0000005"}]
    assert "Dumonteil" not in json.dumps(bundle, ensure_ascii=False)


def test_an_indicator_cannot_end_its_pattern(world: World) -> None:
    dossier_id = world.complete()
    rows = {"incident.indicateurs": "url | http://a.example/' OR url:value = '\\\\"}
    assert world.dossiers.save_section(dossier_id, "cert_sante_incident.incident", rows, DIRECTOR) == []
    pattern = _one(_bundle(world, dossier_id), "indicator")["pattern"]
    assert pattern == "[url:value = 'http://a.example/\\' OR url:value = \\'\\\\\\\\']"


def test_a_second_export_updates_the_first(world: World) -> None:
    dossier_id = world.filed()
    first = _bundle(world, dossier_id)
    assert _bundle(world, dossier_id) == first
    world.dossiers.save_section(dossier_id, "cert_sante_incident.origine", {"origine.type_incident": "acces_illegitime"}, DIRECTOR)
    second = _bundle(world, dossier_id)
    assert _one(second, "incident")["id"] == _one(first, "incident")["id"]
    assert _one(second, "incident")["extensions"][INCIDENT_EXTENSION]["incident_types"] == ["unauthorized-access-information"]
