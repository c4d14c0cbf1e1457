from dataclasses import replace

import pytest

from siem.declarations import model
from siem.declarations.model import DeclarationRefused, DossierIncomplete, FieldError
from tests.siem.declarations.world import World, incident


def test_only_a_binding_deadline_is_called_legal(world: World) -> None:
    deadline = world.dossiers.deadlines_for_incident(incident())[0]
    assert [replace(deadline, force=force).legal for force in ("legal", "directive", "target")] == [True, False, False]


def test_every_refusal_is_of_one_family_and_an_incomplete_dossier_names_its_fields() -> None:
    refusals = ("DossierAbsent", "NotAllowed", "MoveRefused", "FilingFailed", "DossierIncomplete")
    assert all(issubclass(getattr(model, name), DeclarationRefused) for name in refusals)
    errors = (FieldError("a.b", "A", "à renseigner"),)
    with pytest.raises(DeclarationRefused) as caught:
        raise DossierIncomplete("1 champ à reprendre", errors)
    assert isinstance(caught.value, DossierIncomplete)
    assert caught.value.errors == errors


def test_a_validated_dossier_can_still_be_corrected_before_it_is_filed_and_not_after() -> None:
    moves = model.DOSSIER_MOVES
    assert model.DossierState.BROUILLON in moves[model.DossierState.VALIDE_DIRECTION]
    assert model.DossierState.BROUILLON not in moves[model.DossierState.TRANSMIS]
