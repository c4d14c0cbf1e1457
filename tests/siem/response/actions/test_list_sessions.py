import pytest

from siem.response.action import ActionFailed
from siem.response.actions.list_sessions import ListSessions
from tests.siem.response.actions.conftest import Given


def test_sessions_are_told_by_pseudonym_with_where_they_come_from(given: Given) -> None:
    result = ListSessions(given.bench.services()).execute(given.context(personnes="P-AAAAAAAAAA"))
    assert result.outputs == {"sessions_ouvertes": "1", "validite_residuelle": "120"}
    assert (
        result.text
        == "1 session ouverte : P-AAAAAAAAAA depuis 203.0.113.7, ouverte le 13/03/2026 à 22:05 (heure de Paris), services dossier."
    )
    assert "899700000011" not in result.text


@pytest.mark.parametrize("people", ["", "P-ZZZZZZZZZZ", "P-AAAAAAAAAA,P-ZZZZZZZZZZ"])
def test_nobody_or_somebody_unknown_is_a_failure_that_names_them(given: Given, people: str) -> None:
    with pytest.raises(ActionFailed, match="P-ZZZZZZZZZZ" if people else "aucune personne"):
        ListSessions(given.bench.services()).execute(given.context(personnes=people))
    assert given.bench.peer.calls == []
