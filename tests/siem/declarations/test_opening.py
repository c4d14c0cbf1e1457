from datetime import timedelta

import pytest

from siem.access import WATCH, Principal, Role
from siem.declarations.model import DossierAbsent, DossierState, NotAllowed
from siem.incidents.model import IncidentState
from tests.siem.declarations.world import ANALYST, AUDITOR, DIRECTOR, FACTS, FINESS, NIGHT, QUALIFIED, STRANGER, World, incident


def test_opening_twice_is_opening_once(world: World) -> None:
    first = world.dossiers.open_for_incident(None, incident(), WATCH, FACTS)
    world.now += timedelta(minutes=5)
    assert world.dossiers.open_for_incident(None, incident(), ANALYST, FACTS) == first
    assert len(world.dossiers.list(ANALYST)) == 1
    assert [entry.action for entry in world.dossiers.page(first.id, ANALYST).journal] == ["dossier ouvert"]


def test_takes_part_in_the_caller_s_transaction(world: World) -> None:
    with pytest.raises(RuntimeError), world.database.transaction() as connection:
        world.dossiers.open_for_incident(connection, incident(), WATCH, FACTS)
        raise RuntimeError
    assert world.dossiers.of_incident("incident-1", ANALYST) is None


def test_who_does_not_see_the_incident_or_may_not_edit_opens_nothing(world: World) -> None:
    other_tenant = Principal("x", "X", frozenset({Role.ANALYSTE}), tenant="another")
    for person, refusal in ((STRANGER, DossierAbsent), (other_tenant, DossierAbsent), (AUDITOR, NotAllowed)):
        with pytest.raises(refusal):
            world.dossiers.open_for_incident(None, incident(), person, FACTS)


def test_answers_given_later_fill_in_without_new_measures(world: World) -> None:
    dossier = world.dossiers.open_for_incident(None, incident(qualification={}), ANALYST, FACTS)
    assert "impact.fonctionnement" in dossier.content.unknown
    after = world.dossiers.open_for_incident(None, incident(state=IncidentState.RECOVERY), ANALYST)
    assert after.content.values["impact.fonctionnement"] == "aucun"
    assert after.content.values["incident.etat_prise_en_charge"] == "remediation"
    assert after.content.values["incident.nb_dossiers"] == 47
    assert after.criteria == QUALIFIED


def test_the_legal_clock_does_not_move_once_it_has_started(world: World) -> None:
    unaware = world.dossiers.open_for_incident(None, incident(aware_at=None), ANALYST, FACTS)
    assert unaware.aware_at is None
    for aware_at in (NIGHT, NIGHT + timedelta(hours=9)):
        assert world.dossiers.open_for_incident(None, incident(aware_at=aware_at), ANALYST, FACTS).aware_at == NIGHT


def test_a_validated_version_is_left_as_it_was_validated(world: World) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)
    before = world.dossiers.get(dossier_id, DIRECTOR)
    assert world.dossiers.open_for_incident(None, incident(title="Autre"), ANALYST, FACTS) == before
    assert before.state is DossierState.VALIDE_DIRECTION


def test_an_establishment_found_later_is_taken_over(world: World) -> None:
    dossier = world.dossiers.open_for_incident(None, incident(finess=None), ANALYST, FACTS)
    assert dossier.finess is None
    assert "structure.finess_eg" not in dossier.content.values
    after = world.dossiers.open_for_incident(None, incident(), ANALYST, FACTS)
    assert (after.id, after.finess) == (dossier.id, FINESS)


def test_a_registered_value_that_is_wrong_is_told_in_the_journal(world: World) -> None:
    wrong = {FINESS: world.dossiers._establishments[FINESS].model_copy(update={"siret": "1"})}
    world.dossiers._establishments = wrong
    journal = world.dossiers.page(world.opened(), ANALYST).journal
    assert [entry.detail.split(" :")[0] for entry in journal if entry.action == "valeur écartée"] == ["SIRET"]
