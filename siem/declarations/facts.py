"""The facts that may fill a field, by the name that forms use (``fact: incident.date_debut``).

A fact gives the value as stored, or None when it is not known: the field is then marked unknown. Nothing is guessed: a count that
was not measured is not zero, and an answer «ne sait pas» on a criterion fills nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from siem.declarations.establishments import Establishment, Person
from siem.declarations.fields import Value
from siem.declarations.model import Facts
from siem.declarations.wording import french, instant_text, number_text
from siem.incidents.model import Incident, IncidentState


@dataclass(frozen=True, slots=True)
class Known:
    """Everything facts are read from."""

    incident: Incident
    facts: Facts
    establishment: Establishment | None


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _establishment(name: str) -> Callable[[Known], Value | None]:
    return lambda known: getattr(known.establishment, name) if known.establishment else None


def _person(who: str, name: str) -> Callable[[Known], Value | None]:
    def read(known: Known) -> Value | None:
        person: Person | None = getattr(known.establishment, who) if known.establishment else None
        return getattr(person, name) if person else None

    return read


def _answer(criterion: str, *, no: Value, yes: Value | None = None) -> Callable[[Known], Value | None]:
    """A criterion answered «non» says that there is no such impact; «oui» alone rarely says which."""
    answers = {"oui": yes, "non": no}
    return lambda known: answers.get(known.incident.qualification.get(criterion, "inconnu"))


def _state(known: Known) -> Value | None:
    return "resolu" if known.incident.state in (IncidentState.REVIEW, IncidentState.CLOSED) else "en_cours"


_HANDLING: Final[Mapping[IncidentState, str]] = {
    IncidentState.NEW: "non_demarree",
    IncidentState.QUALIFICATION: "en_cours",
    IncidentState.CONTAINMENT: "en_cours",
    IncidentState.ERADICATION: "contenu",
    IncidentState.RECOVERY: "remediation",
    IncidentState.REVIEW: "terminee",
    IncidentState.CLOSED: "terminee",
}


def _systems(known: Known) -> Value | None:
    if known.establishment is None or not known.facts.services:
        return None
    codes = [known.establishment.services.get(service) for service in known.facts.services]
    # A service we cannot name would make the list look complete when it is not.
    return None if None in codes else sorted({code for code in codes if code})


def _accounts(known: Known) -> Value | None:
    if known.facts.account_count is not None:
        return known.facts.account_count
    users = known.incident.entities.get("user", ())
    return len(set(users)) if users else None


def _measures(known: Known) -> Value | None:
    rows = [{"etat": "fait" if m.done else "prevu", "date": _instant(m.at) or "", "texte": m.text} for m in known.facts.measures]
    return rows or None


def _indicators(known: Known) -> Value | None:
    return [{"type": kind, "valeur": value} for kind, value in known.facts.indicators] or None


def _touches_records(known: Known) -> bool:
    return bool(known.facts.patient_count or known.facts.record_count)


def summary(known: Known) -> str:
    """What happened, in sentences made of instants, counts and rule titles."""
    incident, facts = known.incident, known.facts
    sentences = [
        f"Incident {incident.number} : {incident.title}.",
        f"Premiers faits le {instant_text(incident.first_at)}, derniers le {instant_text(incident.last_at)} (heure de Paris).",
    ]
    counted = [
        _counted(facts.alert_count or None, "alerte de la veille", "alertes de la veille"),
        _counted(facts.event_count, "événement à l’appui", "événements à l’appui"),
        _counted(facts.account_count, "compte de professionnel", "comptes de professionnels"),
        _counted(facts.patient_count, "dossier de patient consulté", "dossiers de patients consultés"),
        _counted(facts.break_glass_count, "accès en mode bris de glace", "accès en mode bris de glace"),
        _counted(facts.export_count, "export de données", "exports de données"),
    ]
    if any(counted):
        sentences.append("Constaté : " + ", ".join(part for part in counted if part) + ".")
    if facts.rules:
        sentences.append("Règles déclenchées : " + " ; ".join(facts.rules) + ".")
    if incident.techniques:
        sentences.append("Techniques MITRE ATT&CK : " + ", ".join(sorted(incident.techniques)) + ".")
    return french(" ".join(sentences))


def _counted(count: int | None, one: str, many: str) -> str:
    return "" if count is None else f"{number_text(count)} {one if count < 2 else many}"


#: Fact name → how it is read. Forms may only name what stands here.
FACTS: Final[Mapping[str, Callable[[Known], Value | None]]] = {
    "structure.raison_sociale": _establishment("raison_sociale"),
    "structure.finess_eg": lambda known: known.incident.finess,
    "structure.finess_ej": _establishment("finess_ej"),
    "structure.siret": _establishment("siret"),
    "structure.type": _establishment("type"),
    "structure.statut_public_prive": _establishment("statut_public_prive"),
    "structure.ght": _establishment("ght"),
    "structure.region_ars": _establishment("region_ars"),
    "structure.adresse": _establishment("adresse"),
    "structure.statuts": _establishment("statuts"),
    "declarant.nom": _person("declarant", "nom"),
    "declarant.prenom": _person("declarant", "prenom"),
    "declarant.fonction": _person("declarant", "fonction"),
    "declarant.qualite": _person("declarant", "qualite"),
    "declarant.courriel": _person("declarant", "courriel"),
    "declarant.telephone": _person("declarant", "telephone"),
    "contact_technique.nom": _person("contact_technique", "nom"),
    "contact_technique.courriel": _person("contact_technique", "courriel"),
    "contact_technique.telephone": _person("contact_technique", "telephone"),
    "contact_dpo.nom": _person("contact_dpo", "nom"),
    "contact_dpo.courriel": _person("contact_dpo", "courriel"),
    "contact_dpo.telephone": _person("contact_dpo", "telephone"),
    "qualification.autres_structures": _answer("autres_structures", no="non", yes="oui"),
    "qualification.mise_en_danger": _answer("securite_soins", no="aucune"),
    "qualification.fonctionnement": _answer("fonctionnement_normal", no="aucun"),
    "qualification.territoire": _answer("organisation_systeme_sante", no="aucun"),
    "incident.date_constat": lambda known: _instant(known.incident.detected_at),
    "incident.date_debut": lambda known: _instant(known.incident.first_at),
    "incident.aware_at": lambda known: _instant(known.incident.aware_at),
    "incident.etat": _state,
    "incident.ongoing": lambda known: _state(known) == "en_cours",
    "incident.resume": lambda known: summary(known),
    "incident.si_concernes": _systems,
    "incident.etat_prise_en_charge": lambda known: _HANDLING[known.incident.state],
    "incident.actions": _measures,
    "incident.nb_comptes": _accounts,
    "incident.nb_dossiers": lambda known: known.facts.patient_count,
    "incident.nb_patients": lambda known: known.facts.patient_count,
    "incident.nb_enregistrements": lambda known: known.facts.record_count,
    "incident.detection": lambda known: "siem",
    "incident.indicateurs": _indicators,
    "incident.preuves": lambda known: sorted(known.facts.evidence_sha256) or None,
    "impact.donnees_categories": lambda known: ["caractere_personnel"] if _touches_records(known) else None,
    "cnil.sensibles": lambda known: ["sante"] if _touches_records(known) else None,
    "cnil.categories_personnes": lambda known: ["patients"] if _touches_records(known) else None,
    "origine.techniques": lambda known: sorted(known.incident.techniques) or None,
}

#: Facts that only :class:`~siem.declarations.model.Facts` can tell: left as they are when nobody measured anew.
MEASURED: Final = frozenset(
    {
        "incident.resume",
        "incident.si_concernes",
        "incident.actions",
        "incident.nb_comptes",
        "incident.nb_dossiers",
        "incident.nb_patients",
        "incident.nb_enregistrements",
        "incident.indicateurs",
        "incident.preuves",
        "impact.donnees_categories",
        "cnil.sensibles",
        "cnil.categories_personnes",
    }
)
