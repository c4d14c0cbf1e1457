"""French words for what happened: raw events in a timeline, states and moves in a history."""

from collections.abc import Mapping
from typing import Final

from siem.detection.credit import Credit
from siem.incidents.model import AlertState, IncidentState, Severity, Verdict

#: One event, and several alike (``{n}``), by ``event.action``. An action that is not here is told by its name.
EVENTS: Final[Mapping[str, tuple[str, str]]] = {
    "authorization.refused": ("Demande d’autorisation refusée", "{n} demandes d’autorisation refusées"),
    "authorization_code.replayed": ("Code d’autorisation rejoué", "{n} codes d’autorisation rejoués"),
    "administration.entered": ("Entrée dans l’administration", "{n} entrées dans l’administration"),
    "audit.searched": ("Recherche dans le journal d’audit", "{n} recherches dans le journal d’audit"),
    "consent.given": ("Accord donné à un service", "{n} accords donnés à des services"),
    "consent.withdrawn": ("Accord retiré à un service", "{n} accords retirés à des services"),
    "client.refused": ("Authentification d’une application refusée", "{n} authentifications d’application refusées"),
    "login.started": ("Connexion commencée", "{n} connexions commencées"),
    "login.succeeded": ("Connexion réussie", "{n} connexions réussies"),
    "login.failed": ("Connexion échouée", "{n} connexions échouées"),
    "device_approval.requested": ("Demande d’approbation envoyée au téléphone", "{n} demandes d’approbation envoyées au téléphone"),
    "device_approval.seen": ("Demande d’approbation vue sur le téléphone", "{n} demandes d’approbation vues sur le téléphone"),
    "device_approval.granted": ("Demande d’approbation acceptée", "{n} demandes d’approbation acceptées"),
    "device_approval.denied": ("Demande d’approbation refusée", "{n} demandes d’approbation refusées"),
    "device_approval.reported": (
        "Demande d’approbation signalée comme frauduleuse",
        "{n} demandes d’approbation signalées comme frauduleuses",
    ),
    "device_approval.mismatched": ("Mauvais nombre choisi sur le téléphone", "{n} fois un mauvais nombre choisi sur le téléphone"),
    "device_approval.expired": ("Demande d’approbation restée sans réponse", "{n} demandes d’approbation restées sans réponse"),
    "device_authorization.granted": ("Appareil sans navigateur connecté", "{n} appareils sans navigateur connectés"),
    "device_authorization.denied": ("Appareil sans navigateur refusé", "{n} appareils sans navigateur refusés"),
    "device.enrolled": ("Téléphone enrôlé", "{n} téléphones enrôlés"),
    "device.removed": ("Téléphone retiré", "{n} téléphones retirés"),
    "credential.changed": ("Moyen d’authentification modifié", "{n} moyens d’authentification modifiés"),
    "account.suspended": ("Compte suspendu", "{n} suspensions de compte"),
    "account.restored": ("Compte rétabli", "{n} rétablissements de compte"),
    "session.started": ("Session ouverte", "{n} sessions ouvertes"),
    "session.ended": ("Session fermée", "{n} sessions fermées"),
    "session.revoked": ("Session révoquée", "{n} sessions révoquées"),
    "backchannel_logout.attempted": ("Fin de session annoncée à un service", "Fin de session annoncée {n} fois à un service"),
    "backchannel_logout.abandoned": ("Service resté sourd à la fin de session", "{n} services restés sourds à la fin de session"),
    "security_event.attempted": ("Signal de sécurité envoyé", "{n} envois de signaux de sécurité"),
    "security_event.abandoned": ("Signal de sécurité abandonné", "{n} signaux de sécurité abandonnés"),
    "event_stream.changed": ("Flux de signaux modifié", "{n} modifications de flux de signaux"),
    "caep.session_revoked": ("Fin de session signalée par le fournisseur", "{n} fins de session signalées par le fournisseur"),
    "caep.credential_changed": ("Moyen de connexion modifié, signalé par le fournisseur", "{n} moyens de connexion modifiés, signalés"),
    "access_token.issued": ("Jeton d’accès délivré", "{n} jetons d’accès délivrés"),
    "access_token.misused": ("Jeton lié montré sans sa clé", "{n} jetons liés montrés sans leur clé"),
    "access_token.refused": ("Jeton d’accès refusé", "{n} jetons d’accès refusés"),
    "key.withdrawn": ("Clé de signature retirée d’urgence", "{n} clés de signature retirées d’urgence"),
    "refresh_token.rotated": ("Jeton de renouvellement utilisé", "{n} jetons de renouvellement utilisés"),
    "refresh_token.replayed": ("Jeton de renouvellement rejoué", "{n} jetons de renouvellement rejoués"),
    "token.revoked": ("Jeton révoqué", "{n} jetons révoqués"),
    "userinfo.released": ("Identité transmise à un service", "Identité transmise {n} fois à un service"),
    "http.request": ("Requête", "{n} requêtes"),
    "record.read": ("Dossier consulté", "{n} consultations de dossiers"),
    "record.searched": ("Recherche de dossiers", "{n} recherches de dossiers"),
    "record.created": ("Dossier créé", "{n} dossiers créés"),
    "record.updated": ("Dossier modifié", "{n} modifications de dossiers"),
    "record.exported": ("Export de dossiers", "{n} exports de dossiers"),
    "break_glass.started": ("Accès « bris de glace » à un dossier", "{n} accès « bris de glace » à des dossiers"),
}

#: Events of the identity provider that prove what the response asked for; they enter the timeline of the person's open incident.
CONFIRMATIONS: Final[Mapping[str, str]] = {
    "session.revoked": "Confirmé par le journal du fournisseur d’identité : session révoquée",
    "account.suspended": "Confirmé par le journal du fournisseur d’identité : compte suspendu",
    "account.restored": "Confirmé par le journal du fournisseur d’identité : compte rétabli",
}

ALERT_STATES: Final[Mapping[AlertState, str]] = {
    AlertState.NEW: "nouvelle",
    AlertState.ACKNOWLEDGED: "acquittée",
    AlertState.IN_ANALYSIS: "en analyse",
    AlertState.CLOSED: "classée",
    AlertState.ESCALATED: "escaladée",
    AlertState.MERGED: "fusionnée",
}

VERDICTS: Final[Mapping[Verdict, str]] = {
    Verdict.TRUE_POSITIVE_IMPACT: "vrai positif avec impact",
    Verdict.TRUE_POSITIVE_NO_IMPACT: "vrai positif sans impact",
    Verdict.FALSE_POSITIVE: "faux positif",
    Verdict.LEGITIMATE: "légitime",
    Verdict.DUPLICATE: "doublon",
    Verdict.UNDETERMINED: "indéterminé",
}

INCIDENT_STATES: Final[Mapping[IncidentState, str]] = {
    IncidentState.NEW: "nouveau",
    IncidentState.QUALIFICATION: "qualification",
    IncidentState.CONTAINMENT: "endiguement",
    IncidentState.ERADICATION: "éradication",
    IncidentState.RECOVERY: "rétablissement",
    IncidentState.REVIEW: "retour d’expérience",
    IncidentState.CLOSED: "clos",
}

SEVERITIES: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "critique",
    Severity.HIGH: "élevée",
    Severity.MEDIUM: "moyenne",
    Severity.LOW: "faible",
    Severity.INFORMATIONAL: "information",
}

#: The five criteria of CSP art. D.1111-16-2 II, in short.
CRITERIA_LABELS: Final[Mapping[str, str]] = {
    "securite_soins": "sécurité des soins",
    "donnees_sante": "données de santé",
    "fonctionnement_normal": "fonctionnement normal de l’établissement",
    "organisation_systeme_sante": "organisation du système de santé",
    "autres_structures": "autres structures",
}


def event_phrase(
    action: str | None, count: int, *, quantity: int | None = None, place: str = "", address: str = "", service: str = ""
) -> str:
    """One line for ``count`` like events: what, on which service, from where; ``quantity`` records concerned, where the source says."""
    singular, plural = EVENTS.get(action or "", (action or "Événement", "{n} × " + (action or "événement")))
    text = singular if count == 1 else plural.format(n=count)
    if quantity is not None and quantity > 1:
        text += f" ({quantity} dossiers)"
    if service:
        text += f" sur {service}"
    if address:
        text += f" depuis {address}" + (f" ({place})" if place else "")
    return text


def credit_phrase(credit: Credit, title: str = "") -> str:
    """Whose rule it is, in a sentence: its title (or the given one), its author and its licence."""
    named = ", ".join(
        filter(None, (f"de {credit.author}" if credit.author else "auteur inconnu", credit.licence and f"licence {credit.licence}"))
    )
    return f"{title or credit.title} ({named})"
