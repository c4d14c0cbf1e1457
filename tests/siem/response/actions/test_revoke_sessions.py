from siem.response.actions.revoke_sessions import RevokeSessions
from tests.siem.response.actions.conftest import Given


def test_a_revocation_says_why_for_which_incident_and_what_stays_valid(given: Given) -> None:
    action = RevokeSessions(given.bench.services())
    result = action.execute(given.context(reason="confirmé", personnes="P-AAAAAAAAAA"))
    again = action.execute(given.context(reason="confirmé", personnes="P-AAAAAAAAAA"))
    assert result == again
    assert given.bench.peer.revoked == [{"national_id": "899700000011", "reason": "confirmé", "reference": given.incident.number}]
    assert "pendant 120 s au plus" in result.text
    assert result.outputs == {"sessions_revoquees": "2", "jetons_revoques": "3", "validite_residuelle": "120"}
