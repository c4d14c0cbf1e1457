from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from siem.access import Principal, Role
from siem.declarations import store
from siem.declarations.model import DossierState, Phase, Version
from tests.siem.declarations.world import ANALYST, DIRECTOR, FINESS, NIGHT, STRANGER, World


def test_a_dossier_is_kept_whole(world: World) -> None:
    dossier_id = world.opened()
    with world.database.transaction() as connection:
        dossier = store.find(connection, DIRECTOR, dossier_id=dossier_id)
        assert dossier is not None
        changed = replace(dossier, state=DossierState.A_VALIDER, version_number=3, aware_at=NIGHT, receipt_number="VEI-2026-000001")
        store.save(connection, changed)
        assert store.find(connection, DIRECTOR, incident_id="incident-1") == changed


def test_every_reading_is_limited_to_the_person_s_establishments_and_tenant(world: World) -> None:
    dossier_id = world.opened()
    elsewhere = Principal("x", "X", frozenset({Role.ANALYSTE}), frozenset({FINESS}), tenant="another")
    with world.database.reading() as connection:
        for person, seen in ((ANALYST, True), (DIRECTOR, True), (STRANGER, False), (elsewhere, False)):
            assert (store.find(connection, person, dossier_id=dossier_id) is not None) is seen
            assert bool(store.listed(connection, person, (), None, 10)) is seen


def test_lists_by_state_and_establishment(world: World) -> None:
    world.opened()
    with world.database.reading() as connection:
        assert len(store.listed(connection, ANALYST, {DossierState.BROUILLON}, FINESS, 10)) == 1
        assert store.listed(connection, ANALYST, {DossierState.CLOS}, None, 10) == []
        assert store.listed(connection, ANALYST, (), "0B0172805", 10) == []


def test_a_frozen_version_cannot_be_frozen_again(world: World) -> None:
    dossier_id = world.opened()
    version = Version(dossier_id=dossier_id, number=1, phase=Phase.INITIALE, sha256="ab" * 32, body=b"{}", frozen_at=NIGHT, frozen_by="x")
    with world.database.transaction() as connection:
        dossier = store.find(connection, ANALYST, dossier_id=dossier_id)
        assert dossier is not None
        store.freeze(connection, version, "cert_sante_incident", dossier.content)
        assert store.read_versions(connection, dossier_id, "cert_sante_incident") == ((version, dossier.content),)
    with pytest.raises(IntegrityError), world.database.transaction() as connection:
        store.freeze(connection, replace(version, body=b"[]"), "cert_sante_incident", dossier.content)


def test_two_dossiers_of_one_incident_cannot_be(world: World) -> None:
    dossier = world.dossiers.get(world.opened(), ANALYST)
    with pytest.raises(IntegrityError), world.database.transaction() as connection:
        store.add(connection, replace(dossier, id="another"))


def test_the_worker_goes_on_in_the_name_of_who_asked_and_sees_no_other_establishment(world: World) -> None:
    dossier_id = world.complete()
    version = world.dossiers.validate(dossier_id, DIRECTOR)
    with world.database.transaction() as connection:
        filing = store.start_filing(connection, dossier_id, version, ANALYST, NIGHT)
        again = store.start_filing(connection, dossier_id, version, DIRECTOR, NIGHT)
        assert (filing.attempt_count, again.attempt_count, again.actor) == (1, 2, ANALYST.name)
        assert [pending.dossier_id for pending in store.pending_filings(connection)] == [dossier_id]
        loaded = store.load_filing(connection, filing, "cert_sante_incident")
        assert loaded is not None
        actor = store.filing_principal(filing, loaded[0])
    assert (actor.name, actor.finess, loaded[1]) == (ANALYST.name, {FINESS}, version)
