"""The declaration as a STIX 2.1 bundle, as plain JSON: a core incident, its structure, indicators and their relationships.

The incident carries the Incident Core Extension of OASIS (draft of 10 October 2023), with its enumerations used as they are. Ids are
derived (UUIDv5) from the dossier, so that a second export updates the first. The declarant's name stays out: an exchange needs none.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from siem.declarations.documents import rfc3339
from siem.declarations.form import Form

_NAMESPACE: Final = uuid.UUID("d6f3bd9b-54c3-5f7a-9b7f-8b6e7b1f3c42")
#: The extension of the incident object, as registered by OASIS.
INCIDENT_EXTENSION: Final = "extension-definition--ef765651-680c-498d-9894-99799f2fa126"
#: TLP:AMBER+STRICT (marking of TLP 2.0).
TLP_AMBER_STRICT: Final = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"

_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "rancongiciel": ("ransomware",),
    "compromission_compte": ("theft-access-credentials", "unauthorized-access-system"),
    "acces_illegitime": ("unauthorized-access-information",),
    "fuite_donnees": ("data-exfiltration", "unauthorized-release"),
    "defacement": ("modification-information",),
    "vol_perte_equipement": ("equipment-theft", "equipment-loss"),
    "deni_service": ("denial-of-service",),
}
_STATUS: Final = {
    "brouillon": "new",
    "a_valider": "new",
    "resolu": "closed",
    "clos": "closed",
    "non_retenu": "closed",
    "doublon": "closed",
    "annule": "closed",
}
_DETECTION: Final = {
    "siem": "automated-tool",
    "edr": "automated-tool",
    "utilisateur": "user-reporting",
    "cert_sante": "external-notification",
    "prestataire": "external-notification",
    "autorite": "external-notification",
    "attaquant": "message-from-attacker",
}
_PATTERNS: Final = {
    "ipv4-addr": "[ipv4-addr:value = {}]",
    "ipv6-addr": "[ipv6-addr:value = {}]",
    "domain-name": "[domain-name:value = {}]",
    "url": "[url:value = {}]",
    "email-addr": "[email-addr:value = {}]",
    "file-sha256": "[file:hashes.'SHA-256' = {}]",
    "user-agent": "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = {}]",
}


def bundle(form: Form, body: bytes, at: datetime) -> bytes:
    """The bundle of a document's bytes; ``at`` is when that version was frozen (or now, for a draft)."""
    document = json.loads(body)
    dossier_id = document["id"]
    stamp = rfc3339(at).replace("Z", ".000Z")
    common = {"spec_version": "2.1", "created": stamp, "modified": stamp, "object_marking_refs": [TLP_AMBER_STRICT]}
    structure = _structure(document, dossier_id, common)
    incident = _incident(form, document, common, structure["id"])
    objects = [_marking(), structure, incident, *_indicators(document, dossier_id, common, incident["id"], structure["id"])]
    location = _location(document, common)
    if location:
        objects += [location, _relationship("located-at", structure["id"], location["id"], common)]
    objects.append(_relationship("impacts", incident["id"], structure["id"], common))
    return json.dumps(
        {"type": "bundle", "id": _id("bundle", f"{dossier_id}/{document['numero_version']}"), "objects": objects},
        ensure_ascii=False,
        indent=2,
    ).encode()


def _id(kind: str, name: str) -> str:
    return f"{kind}--{uuid.uuid5(_NAMESPACE, f'{kind}/{name}')}"


def _marking() -> dict[str, Any]:
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": TLP_AMBER_STRICT,
        "created": "2022-10-01T00:00:00.000Z",
        "name": "TLP:AMBER+STRICT",
        "extensions": {
            "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
                "extension_type": "property-extension",
                "tlp_2_0": "amber+strict",
            }
        },
    }


def _structure(document: Mapping[str, Any], dossier_id: str, common: Mapping[str, Any]) -> dict[str, Any]:
    structure = document["structure"]
    finess = structure.get("finess_eg")
    identity = {
        "type": "identity",
        "id": _id("identity", finess or dossier_id),
        **common,
        "name": structure.get("raison_sociale", "Structure non renseignée"),
        "identity_class": "organization",
        "sectors": ["healthcare"],
    }
    return identity | ({"external_references": [{"source_name": "FINESS", "external_id": finess}]} if finess else {})


def _location(document: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any] | None:
    region = document["structure"].get("region_ars")
    if not region:
        return None
    return {"type": "location", "id": _id("location", f"FR-{region}"), **common, "country": "FR", "administrative_area": f"INSEE {region}"}


def _incident(form: Form, document: Mapping[str, Any], common: Mapping[str, Any], structure_id: str) -> dict[str, Any]:
    said, origin = document["incident"], document["origine"]
    extension: dict[str, Any] = {
        "extension_type": "property-extension",
        "determination": "suspected" if said.get("etat") == "suspecte" else "confirmed",
        "investigation_status": _STATUS.get(document["etat"], "open"),
    }
    if said.get("detection") in _DETECTION:
        extension["detection_methods"] = [_DETECTION[said["detection"]]]
    if origin.get("type_incident") in _TYPES:
        extension["incident_types"] = list(_TYPES[origin["type_incident"]])
    if isinstance(said.get("nb_dossiers"), int):
        extension["impacted_entity_counts"] = {"customer-individual": said["nb_dossiers"]}
    references = [{"source_name": "veilleur-dossier", "external_id": document["id"]}]
    references += [
        {
            "source_name": "mitre-attack",
            "external_id": technique,
            "url": f"https://attack.mitre.org/techniques/{technique.replace('.', '/')}",
        }
        for technique in origin.get("techniques_attack", [])
    ]
    references += [{"source_name": line["regime"], "description": line["mention"]} for line in document["autres_declarations"]]
    return {
        "type": "incident",
        "id": _id("incident", document["id"]),
        **common,
        "created_by_ref": structure_id,
        "name": document["incident_numero"],
        "description": said.get("resume", ""),
        "labels": [form.form, document["phase"]],
        "external_references": references,
        "extensions": {INCIDENT_EXTENSION: extension},
    }


def _indicators(
    document: Mapping[str, Any], dossier_id: str, common: Mapping[str, Any], incident_id: str, structure_id: str
) -> Iterator[dict[str, Any]]:
    since = document["incident"].get("date_debut") or document["incident"].get("date_constat") or common["created"]
    for row in document["incident"].get("indicateurs", []):
        indicator = {
            "type": "indicator",
            "id": _id("indicator", f"{dossier_id}/{row['type']}/{row['valeur']}"),
            **common,
            "created_by_ref": structure_id,
            "name": f"{row['type']} {row['valeur']}",
            "indicator_types": ["malicious-activity"],
            "pattern": _PATTERNS[row["type"]].format(_literal(row["valeur"])),
            "pattern_type": "stix",
            "valid_from": since,
        }
        yield indicator
        yield _relationship("detected", indicator["id"], incident_id, common)


def _literal(value: str) -> str:
    """A STIX string literal: quote and backslash escaped, so that a value cannot end the pattern."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _relationship(kind: str, source: str, target: str, common: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "relationship",
        "id": _id("relationship", f"{source}/{kind}/{target}"),
        **common,
        "relationship_type": kind,
        "source_ref": source,
        "target_ref": target,
    }
