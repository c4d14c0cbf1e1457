import pytest

from siem.incidents.model import CRITERIA, AlertState, IncidentState, Severity, Verdict
from siem.incidents.phrases import ALERT_STATES, CRITERIA_LABELS, EVENTS, INCIDENT_STATES, SEVERITIES, VERDICTS, event_phrase
from vocabulary.audit import AuditAction

#: Steps of a protocol that no rule of ours rests on; they are told by their name.
UNTOLD = {
    AuditAction.AUTHORIZATION_REQUESTED,
    AuditAction.AUTHORIZATION_PUSHED,
    AuditAction.AUTHORIZATION_CODE_ISSUED,
    AuditAction.AUTHORIZATION_CODE_CONSUMED,
    AuditAction.CLIENT_AUTHENTICATED,
    AuditAction.BACKCHANNEL_LOGIN_NOTIFIED,
    AuditAction.TOKEN_INTROSPECTED,
    AuditAction.KEY_ROTATED,
    AuditAction.CLIENT_CHANGED,
}


def test_every_word_of_the_model_has_its_french_word() -> None:
    assert set(ALERT_STATES) == set(AlertState)
    assert set(INCIDENT_STATES) == set(IncidentState)
    assert set(SEVERITIES) == set(Severity)
    assert set(VERDICTS) == set(Verdict)
    assert tuple(CRITERIA_LABELS) == CRITERIA


def test_every_event_of_the_identity_provider_that_can_matter_has_its_phrase() -> None:
    assert {action.value for action in AuditAction} - EVENTS.keys() <= {action.value for action in UNTOLD}


@pytest.mark.parametrize(
    ("action", "count", "told"),
    [
        ("record.exported", 1, "Export de dossiers (312 dossiers) sur dmp depuis 192.0.2.1 (Rennes, FR)"),
        ("device_approval.denied", 3, "3 demandes d’approbation refusées (312 dossiers) sur dmp depuis 192.0.2.1 (Rennes, FR)"),
        ("something.new", 2, "2 × something.new (312 dossiers) sur dmp depuis 192.0.2.1 (Rennes, FR)"),
    ],
)
def test_an_event_is_told_with_what_where_and_how_much(action: str, count: int, told: str) -> None:
    assert event_phrase(action, count, quantity=312, place="Rennes, FR", address="192.0.2.1", service="dmp") == told


def test_what_is_not_known_is_left_out() -> None:
    assert event_phrase(None, 1) == "Événement"
