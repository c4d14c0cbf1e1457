"""Words of the declarations in French and English: states, statuses, problems; French spacing; instants as people read them."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from siem.declarations.model import Applicability, DeadlineStatus, DossierState, Origin, Phase

PARIS: Final = ZoneInfo("Europe/Paris")
_NARROW: Final = "\u202f"
_NO_BREAK: Final = "\u00a0"

_MONTHS: Final[Mapping[str, tuple[str, ...]]] = {
    "fr": ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
    "en": ("Jan.", "Feb.", "March", "April", "May", "June", "July", "Aug.", "Sept.", "Oct.", "Nov.", "Dec."),
}

STATE_LABELS: Final[Mapping[DossierState, tuple[str, str]]] = {
    DossierState.BROUILLON: ("Brouillon", "Draft"),
    DossierState.A_VALIDER: ("À valider", "To be validated"),
    DossierState.VALIDE_DIRECTION: ("Validé par la direction", "Validated by the direction"),
    DossierState.TRANSMIS: ("Transmis", "Filed"),
    DossierState.PRIS_EN_COMPTE: ("Pris en compte", "Acknowledged"),
    DossierState.QUALIFIE: ("Qualifié", "Qualified"),
    DossierState.COMPLEMENT_DEMANDE: ("Complément demandé", "Complement asked for"),
    DossierState.COMPLETE: ("Complété", "Completed"),
    DossierState.RESOLU: ("Résolu", "Resolved"),
    DossierState.CLOS: ("Clos", "Closed"),
    DossierState.ANNULE: ("Annulé", "Cancelled"),
    DossierState.NON_RETENU: ("Non retenu", "Out of scope"),
    DossierState.DOUBLON: ("Doublon", "Duplicate"),
}

PHASE_LABELS: Final[Mapping[Phase, tuple[str, str]]] = {
    Phase.INITIALE: ("Déclaration initiale", "Initial declaration"),
    Phase.COMPLEMENT: ("Complément", "Complement"),
    Phase.CLOTURE: ("Clôture", "Closing"),
}

ORIGIN_LABELS: Final[Mapping[Origin, tuple[str, str]]] = {
    Origin.VEILLE: ("constaté par la veille", "found by the watch"),
    Origin.REFERENTIEL: ("référentiel de la structure", "the structure’s registered data"),
    Origin.QUALIFICATION: ("qualification de l’incident", "the incident’s qualification"),
    Origin.SAISIE: ("saisi", "typed in"),
}

STATUS_LABELS: Final[Mapping[DeadlineStatus, tuple[str, str]]] = {
    DeadlineStatus.WAITING: ("Pas encore commencé", "Not started"),
    DeadlineStatus.RUNNING: ("En cours", "Running"),
    DeadlineStatus.SOON: ("Bientôt échu", "Due soon"),
    DeadlineStatus.OVERDUE: ("Dépassé", "Overdue"),
    DeadlineStatus.DONE: ("Fait dans le délai", "Done in time"),
    DeadlineStatus.DONE_LATE: ("Fait en retard", "Done late"),
}

APPLICABILITY_LABELS: Final[Mapping[Applicability, tuple[str, str]]] = {
    Applicability.OUI: ("Due", "Due"),
    Applicability.A_CONFIRMER: ("À confirmer", "To be confirmed"),
    Applicability.NON: ("Non due", "Not due"),
}

CRITERION_LABELS: Final[Mapping[str, tuple[str, str]]] = {
    "securite_soins": (
        "Conséquences potentielles ou avérées sur la sécurité des soins",
        "Potential or proven consequences for the safety of care",
    ),
    "donnees_sante": (
        "Conséquences sur la confidentialité ou l’intégrité des données de santé",
        "Consequences for the confidentiality or integrity of health data",
    ),
    "fonctionnement_normal": ("Atteinte au fonctionnement normal de l’établissement", "Normal operation of the establishment affected"),
    "organisation_systeme_sante": (
        "Retentissement sur l’organisation départementale, régionale ou nationale du système de santé",
        "Effect on the departmental, regional or national organisation of the health system",
    ),
    "autres_structures": ("Susceptible de toucher d’autres établissements", "Able to affect other establishments"),
}

ANSWER_LABELS: Final[Mapping[str, tuple[str, str]]] = {"oui": ("Oui", "Yes"), "non": ("Non", "No"), "inconnu": ("Ne sait pas", "Unknown")}

#: What can be wrong with a field; ``{…}`` are filled in by the check.
PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("à renseigner, ou à marquer «inconnu»", "to be filled in, or marked “unknown”"),
    "missing_strict": ("à renseigner", "to be filled in"),
    "never_unknown": ("ne peut pas être marqué «inconnu»", "cannot be marked “unknown”"),
    "both": ("a une valeur et est marqué «inconnu» : choisissez l’un des deux", "has a value and is marked “unknown”: choose one"),
    "not_in_section": ("n’est pas un champ de cette section", "is not a field of this section"),
    "fixed": ("est celui de l’incident ({value}) et ne se change pas ici", "is the incident’s ({value}) and cannot be changed here"),
    "too_long": ("trop long : {count} caractères, {limit} au plus", "too long: {count} characters, at most {limit}"),
    "control": ("contient un caractère de contrôle", "contains a control character"),
    "integer": ("un nombre entier est attendu, de 0 à 999 999 999", "a whole number is expected, 0 to 999,999,999"),
    "boolean": ("«oui» ou «non» est attendu", "“oui” (yes) or “non” (no) is expected"),
    "choice": ("«{value}» n’est pas une des réponses proposées", "“{value}” is not one of the answers offered"),
    "one_value": ("une seule réponse est attendue", "one answer is expected"),
    "exclusive": ("«{value}» ne va pas avec d’autres réponses", "“{value}” cannot go with other answers"),
    "instant": (
        "une date et une heure sont attendues, par exemple 2026-11-22T03:14",
        "a date and time are expected, for instance 2026-11-22T03:14",
    ),
    "no_such_time": ("cette heure n’existe pas : l’horloge avance cette nuit-là", "this time does not exist: clocks go forward that night"),
    "email": ("une adresse de courriel est attendue", "an e-mail address is expected"),
    "phone": (
        "un numéro international est attendu, par exemple +33 1 23 45 67 89",
        "an international number is expected, for instance +33 1 23 45 67 89",
    ),
    "finess": (
        "un numéro FINESS est attendu : 9 caractères et une clé juste",
        "a FINESS number is expected: 9 characters with a right key",
    ),
    "siret": ("un SIRET est attendu : 14 chiffres et une clé juste", "a SIRET is expected: 14 digits with a right key"),
    "columns": (
        "ligne {line} : {count} colonnes parties par « | » attendues ({names})",
        "line {line}: {count} columns parted by “|” expected ({names})",
    ),
    "row": ("ligne {line}, {name} : {problem}", "line {line}, {name}: {problem}"),
    "patient": (
        "semble contenir un identifiant de personne ({what}) : une déclaration ne porte que des nombres et des catégories",
        "seems to contain a person’s identifier ({what}): a declaration carries numbers and categories only",
    ),
}


def pick(pair: tuple[str, str], language: str) -> str:
    """The French or the English of a pair, with French spacing."""
    return french(pair[0]) if language != "en" else pair[1]


def problem(code: str, language: str, **values: object) -> str:
    """A problem of :data:`PROBLEMS` in words."""
    return pick(PROBLEMS[code], language).format(**values)


def french(text: str) -> str:
    """French spacing: a no-break space inside guillemets and before ``:``, a narrow one before ``; ! ?``."""
    text = re.sub("«\\s*", f"«{_NO_BREAK}", text)
    text = re.sub("\\s*»", f"{_NO_BREAK}»", text)
    text = re.sub(" :", f"{_NO_BREAK}:", text)
    return re.sub(" ([;!?])", f"{_NARROW}\\1", text)


def instant_text(at: datetime, language: str = "fr") -> str:
    """``22 nov. 2026, 03:14`` in Europe/Paris."""
    local = at.astimezone(PARIS)
    return f"{day_text(local.date(), language)}, {local:%H:%M}"


def day_text(day: date, language: str = "fr") -> str:
    """``22 nov. 2026``, with ``1er`` in French."""
    number = "1er" if language != "en" and day.day == 1 else str(day.day)
    return f"{number}{_NO_BREAK}{_MONTHS['en' if language == 'en' else 'fr'][day.month - 1]}{_NO_BREAK}{day.year}"


def number_text(number: int, language: str = "fr") -> str:
    """A whole number with its thousands parted: ``12 345`` or ``12,345``."""
    return f"{number:,}" if language == "en" else f"{number:,}".replace(",", _NARROW)
