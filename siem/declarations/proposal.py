"""Is a declaration due? What the five criteria and the circumstances lead to, with reasons. A person decides.

Sources: CSP art. D.1111-16-2 II and III (the criteria; the last two make an incident significant); instruction 2017/281 (malicious
acts, or their suspicion, with unavailability, alteration or loss); the questions and answers of CERT Santé (degraded mode,
defacement, electrical failure, bugs at the heart of care).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from siem.declarations.model import Content, Proposal
from siem.declarations.wording import CRITERION_LABELS, pick
from siem.incidents.model import CRITERIA

_SIGNIFICANT: Final = frozenset({"organisation_systeme_sante", "autres_structures"})
_DECISIONS: Final = {
    "a_declarer": ("À déclarer", "To be declared"),
    "recommande": ("Déclaration recommandée", "Declaration recommended"),
    "non": ("Pas de déclaration proposée", "No declaration proposed"),
}
_DEGRADED: Final = ("l’incident impose un mode dégradé de la prise en charge", "the incident forces care into degraded mode")
_CARE_STOPPED: Final = (
    "les applications de soins ne fonctionnent plus : disponibilité, puis sécurité des soins",
    "the care applications no longer work: availability, then safety of care",
)
_MALICIOUS_EFFECT: Final = (
    "acte malveillant, ou suspecté tel, avec indisponibilité, altération, perte ou divulgation",
    "malicious act, or one suspected, with unavailability, alteration, loss or disclosure",
)
_BUG: Final = (
    "défaut d’une application au cœur des soins : le signaler peut hâter sa correction",
    "fault of an application at the heart of care: reporting may speed up its repair",
)
_WEAK: Final = (
    "acte malveillant, même sans effet sur l’activité : signal faible pour le secteur",
    "malicious act, even without effect: a weak signal for the sector",
)
_UNKNOWN: Final = ("critère pas encore tranché : {what}", "criterion not settled yet: {what}")
_NOTHING: Final = (
    "aucun des cinq critères de l’article D.1111-16-2 n’est rempli",
    "none of the five criteria of article D.1111-16-2 is met",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known beside the criteria; None is unknown.

    ``malicious``: a malicious act or the suspicion of one; ``degraded_mode``: care runs on back-up procedures (paper);
    ``care_stopped``: the applications of care do not run at all; ``unavailable``: a part of the information system is down;
    ``data_affected``: altered, lost or disclosed, public information included; ``care_application``: a fault in an application at
    the heart of care.
    """

    malicious: bool | None = None
    degraded_mode: bool | None = None
    care_stopped: bool | None = None
    unavailable: bool | None = None
    data_affected: bool | None = None
    care_application: bool | None = None


def propose(criteria: Mapping[str, str], circumstances: Circumstances | None = None, language: str = "fr") -> Proposal:
    """The decision proposed: ``a_declarer``, ``recommande`` or ``non``."""
    known = circumstances or Circumstances()
    met = [key for key in CRITERIA if criteria.get(key) == "oui"]
    due = [CRITERION_LABELS[key] for key in met] + [
        reason
        for holds, reason in (
            (known.degraded_mode, _DEGRADED),
            (known.care_stopped, _CARE_STOPPED),
            (known.malicious and (known.unavailable or known.data_affected), _MALICIOUS_EFFECT),
        )
        if holds
    ]
    if due:
        level = "significatif" if _SIGNIFICANT & set(met) else "grave" if met or known.degraded_mode or known.care_stopped else ""
        return _answer("a_declarer", level, due, language)
    advised = [reason for holds, reason in ((known.care_application, _BUG), (known.malicious, _WEAK)) if holds]
    advised += [_filled(_UNKNOWN, CRITERION_LABELS[key]) for key in CRITERIA if criteria.get(key, "inconnu") == "inconnu"]
    if advised:
        return _answer("recommande", "", advised, language)
    return _answer("non", "", [_NOTHING], language)


def _filled(pair: tuple[str, str], what: tuple[str, str]) -> tuple[str, str]:
    return pair[0].format(what=what[0]), pair[1].format(what=what[1])


def _answer(decision: str, level: str, reasons: list[tuple[str, str]], language: str) -> Proposal:
    return Proposal(
        decision=decision,
        decision_label=pick(_DECISIONS[decision], language),
        level=level,
        reasons=tuple(pick(reason, language) for reason in reasons),
    )


def circumstances_of(content: Content) -> Circumstances:
    """What the dossier's fields say of the circumstances."""
    values = content.values
    malice, working, data = values.get("origine.malveillance"), values.get("impact.fonctionnement"), values.get("impact.donnees.nature")
    kinds = set(map(str, data)) if isinstance(data, list) else None
    return Circumstances(
        malicious={"malveillante": True, "non_malveillante": False}.get(str(malice)),
        degraded_mode=None if working is None else working in ("mode_degrade", "interruption"),
        care_stopped=None if working is None else working == "interruption",
        unavailable=None if kinds is None else "indisponibilite_perte" in kinds,
        data_affected=None if kinds is None else bool(kinds - {"aucune"}),
        care_application=True if values.get("origine.type_incident") == "bug_applicatif" else None,
    )
