from siem.response.actions.open_dossier import OpenDossier
from tests.siem.response.actions.conftest import Given


def test_the_dossier_of_the_incident_is_opened_once(given: Given) -> None:
    action = OpenDossier(given.bench.services())
    assert action.execute(given.context()).outputs == action.execute(given.context()).outputs
    assert list(given.bench.dossiers) == [given.incident.id]
