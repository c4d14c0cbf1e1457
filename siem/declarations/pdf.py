"""The declaration on paper: an accessible PDF (PDF/UA-1 and PDF/A-2a) in French, by typst, from our own template.

What people typed reaches the template as data in one JSON input and is only ever shown, never compiled; packages and fonts come from this
machine alone. Without a sans-serif font of the list the template falls back on the serif that typst brings along.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import typst

from siem.declarations.documents import sha256
from siem.declarations.form import Form
from siem.declarations.inspection import content_of
from siem.declarations.model import Phase, Receipt, Version
from siem.declarations.pages import criteria_view
from siem.declarations.values import display
from siem.declarations.wording import ANSWER_LABELS, PHASE_LABELS, french, instant_text, pick
from siem.errors import OperationError

_TEMPLATE: Final = Path(__file__).with_name("dossier.typ")
#: A folder that does not exist: typst then has no package to load and nowhere to put one.
_NO_PACKAGES: Final = "/nonexistent/typst-packages"
_WORDS: Final = {
    "criteria": "Critères de l’article D.1111-16-2",
    "criterion": "Critère",
    "level": "Niveau",
    "field": "Rubrique",
    "answer": "Réponse",
    "unknown": "Inconnu à ce jour",
    "journal": "Journal du dossier",
    "when": "Date (Paris)",
    "who": "Qui",
    "what": "Action",
    "proof": "Empreinte et récépissé",
}


def render(form: Form, body: bytes, version: Version | None, receipt: Receipt | None, now: datetime) -> bytes:
    """The PDF of a document's bytes; of a frozen version the same every time. Raises OperationError when typst cannot."""
    document = json.loads(body)
    # typst takes a creation date in whole seconds; a draft is of now, a version of when it was frozen.
    at = version.frozen_at if version else now
    try:
        return bytes(
            typst.compile(
                str(_TEMPLATE),
                root=str(_TEMPLATE.parent),
                format="pdf",
                sys_inputs={"document": json.dumps(_data(form, document, body, version, receipt, at), ensure_ascii=False)},
                pdf_standards=["ua-1", "a-2a"],
                package_path=_NO_PACKAGES,
                package_cache_path=_NO_PACKAGES,
                timestamp=int(at.timestamp()),
            )
        )
    except (typst.TypstError, RuntimeError) as error:
        raise OperationError("rendering a declaration", f"{form.form} {document['id']}: {error}", retry_helps=False) from error


def _data(
    form: Form, document: Mapping[str, Any], body: bytes, version: Version | None, receipt: Receipt | None, at: datetime
) -> dict[str, Any]:
    """Everything the template shows, as strings."""
    structure = document["structure"]
    name = str(structure.get("raison_sociale", "structure non renseignée"))
    phase = PHASE_LABELS[Phase(document["phase"])][0]
    number = document["numero_version"]
    head = {
        "Structure": name + (f" (FINESS {structure['finess_eg']})" if "finess_eg" in structure else ""),
        "Incident": document["incident_numero"],
        "Destinataire": form.authority.name.text("fr"),
        "Fondement": french(form.legal_basis.text),
        "Version": f"{number} · {phase}" + (f" · figée le {instant_text(version.frozen_at)} par {version.frozen_by}" if version else ""),
    }
    if receipt:
        head["Récépissé"] = f"n° {receipt.number}, reçu le {instant_text(receipt.received_at)} (heure de Paris)"
    return {
        "title": form.title.text("fr"),
        "subtitle": f"{name} · {document['incident_numero']} · version {number}",
        "author": name,
        "running": french(f"{form.authority.name.text('fr')} : {name}"),
        "tlp": f"TLP:{document['tlp']}",
        "footer": f"Dossier {document['id']} · version {number} · heures de Paris",
        "draft": "" if version else french("Brouillon du " + instant_text(at) + " : cette version n’est ni validée ni figée."),
        "head": [{"label": label, "value": value} for label, value in head.items()],
        "criteria": [
            {"label": view.label, "level": view.level, "answer": pick(ANSWER_LABELS[view.answer], "fr")}
            for view in criteria_view(document["criteres"], "fr")
            if form.filing == "desk"
        ],
        "sections": _sections(form, document),
        "journal": [
            {"at": instant_text(datetime.fromisoformat(line["ts"])), "actor": line["acteur"], "action": line["action"]}
            for line in document["journal"]
        ],
        "proof": _proof(body, receipt) if version else [],
        "note": form.note.text("fr"),
        "words": _WORDS,
    }


def _sections(form: Form, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sections that say something: a field with a value, or said to be unknown."""
    content = content_of(document, form)
    sections = []
    for section in form.sections:
        rows = [
            {
                "label": entry.label.text("fr"),
                "value": _breakable(display(entry, content.values[entry.key], "fr")) if entry.key in content.values else "",
                "unknown": entry.key not in content.values,
            }
            for entry in section.fields
            if entry.key in content.values or entry.key in content.unknown
        ]
        if rows:
            sections.append({"title": section.title.text("fr"), "fields": rows})
    return sections


def _proof(body: bytes, receipt: Receipt | None) -> list[dict[str, str]]:
    proof = {"SHA-256 du JSON": sha256(body)}
    if receipt:
        proof |= {"Numéro": receipt.number, "Guichet": receipt.issuer, "Signature (JWS)": _broken(receipt.jws)}
    return [{"label": label, "value": value} for label, value in proof.items()]


def _breakable(text: str) -> str:
    """The text with places, unseen, where a word too long for its column may break."""
    return re.sub(r"\S{32,}", lambda match: _broken(match.group()), text)


def _broken(token: str) -> str:
    """A long token with places where a line may break, unseen."""
    return "\u200b".join(token[start : start + 8] for start in range(0, len(token), 8))
