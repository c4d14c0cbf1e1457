from dataclasses import replace

import pytest

from siem.access import Permission, Principal, Role
from siem.declarations.model import BEFORE_TRANSMISSION, DOSSIER_MOVES, FINAL, DossierAbsent, DossierState, MoveRefused, NotAllowed, Phase
from siem.declarations.records import Records, expect_move, expect_reason, may_validate, phase_of
from tests.siem.declarations.world import ANALYST, AUDITOR, DIRECTOR, FINESS, LEAD, STRANGER, World


def test_absent_comes_before_not_allowed(world: World) -> None:
    dossier_id = world.opened()
    records = Records(world.database, world.clock, world.forms)
    nobody = Principal("x", "X", frozenset({Role.ARS}))
    with world.database.reading() as connection:
        for person, refusal in ((STRANGER, DossierAbsent), (nobody, DossierAbsent), (AUDITOR, NotAllowed)):
            with pytest.raises(refusal):
                records.found(connection, dossier_id, person, Permission.EDIT_DOSSIERS)


def test_only_a_declarant_of_that_very_establishment_may_validate(world: World) -> None:
    dossier = world.dossiers.get(world.opened(), ANALYST)
    sees_all = Principal("x", "X", frozenset({Role.RESPONSABLE, Role.DECLARANT}))
    assert [may_validate(dossier, person) for person in (DIRECTOR, STRANGER, ANALYST, LEAD, sees_all)] == [True, False, False, False, False]
    assert not may_validate(replace(dossier, finess=None), replace(DIRECTOR, finess=frozenset({FINESS})))


@pytest.mark.parametrize("state", DossierState)
def test_a_move_is_allowed_exactly_where_the_table_says(world: World, state: DossierState) -> None:
    dossier = replace(world.dossiers.get(world.opened(), ANALYST), state=state)
    for wanted in DossierState:
        if wanted in DOSSIER_MOVES[state]:
            expect_move(dossier, wanted)
        else:
            with pytest.raises(MoveRefused):
                expect_move(dossier, wanted)


def test_every_state_can_be_reached_and_the_final_ones_left_by_none() -> None:
    reached, frontier = {DossierState.BROUILLON}, [DossierState.BROUILLON]
    while frontier:
        new = DOSSIER_MOVES[frontier.pop()] - reached
        reached |= new
        frontier += new
    assert reached == set(DossierState)
    assert {state for state, moves in DOSSIER_MOVES.items() if not moves} == FINAL
    assert all(DossierState.ANNULE not in moves for state, moves in DOSSIER_MOVES.items() if state not in BEFORE_TRANSMISSION)


def test_the_phase_follows_what_was_filed(world: World) -> None:
    dossier = world.dossiers.get(world.opened(), ANALYST)
    assert phase_of(dossier) is Phase.INITIALE
    assert phase_of(replace(dossier, filed_version=1, state=DossierState.QUALIFIE)) is Phase.COMPLEMENT
    assert phase_of(replace(dossier, filed_version=1, state=DossierState.RESOLU)) is Phase.CLOTURE


def test_a_reason_is_expected() -> None:
    assert expect_reason("  erreur ") == "erreur"
    with pytest.raises(MoveRefused):
        expect_reason(" ")


def test_no_form_in_force_is_said_plainly(world: World) -> None:
    records = Records(world.database, world.clock, replace(world.forms, forms=()))
    with pytest.raises(MoveRefused, match="en vigueur"):
        records.desk_form()
    with pytest.raises(DossierAbsent):
        records.form_named("cnil_violation")
