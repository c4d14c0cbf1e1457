from collections.abc import Callable
from datetime import timedelta

import pytest

from siem.access import Principal
from siem.declarations.model import (
    DeadlineStatus,
    DossierAbsent,
    DossierIncomplete,
    DossierState,
    MoveRefused,
    NotAllowed,
    Transmission,
)
from siem.declarations.service import Dossiers
from tests.siem.declarations.world import ANALYST, AUDITOR, DIRECTOR, FINESS, NIGHT, STRANGER, World, incident

SUPPORT = "cert_sante_incident.accompagnement"
CLOSING = {
    "cloture.date": "2026-11-25T09:00",
    "cloture.resume": "Compte réinitialisé, sessions révoquées.",
    "cloture.mesures_correctives": "Approbation par code affiché.",
    "cloture.impacts_finaux": "47 dossiers consultés.",
}


def _sent(form: str = "cnil_violation", stage: str = "notification", at: timedelta = timedelta(0), reference: str = "N-1") -> Transmission:
    return Transmission(form_id=form, stage=stage, at=NIGHT + at, channel="téléservice", reference=reference, actor="")


#: Every method that names a dossier.
METHODS: list[Callable[[Dossiers, str, Principal], object]] = [
    lambda d, i, p: d.get(i, p),
    lambda d, i, p: d.page(i, p),
    lambda d, i, p: d.save_section(i, SUPPORT, {"accompagnement.demande": "oui"}, p),
    lambda d, i, p: d.submit(i, p),
    lambda d, i, p: d.send_back(i, "motif", p),
    lambda d, i, p: d.validate(i, p),
    lambda d, i, p: d.file(i, p),
    lambda d, i, p: d.cancel(i, "motif", p),
    lambda d, i, p: d.move(i, DossierState.RESOLU, "motif", p),
    lambda d, i, p: d.record_transmission(i, _sent(), p),
    lambda d, i, p: d.versions(i, p),
    lambda d, i, p: d.differences(i, 1, None, p),
    lambda d, i, p: d.receipts(i, p),
    lambda d, i, p: d.json(i, p),
    lambda d, i, p: d.pdf(i, p),
    lambda d, i, p: d.stix(i, p),
]


@pytest.mark.parametrize("method", METHODS)
def test_another_establishment_s_dossier_does_not_exist(world: World, method: Callable[[Dossiers, str, Principal], object]) -> None:
    dossier_id = world.filed()
    with pytest.raises(DossierAbsent):
        method(world.dossiers, dossier_id, STRANGER)
    with pytest.raises(DossierAbsent):
        method(world.dossiers, "00000000-0000-4000-8000-000000000000", DIRECTOR)


def test_every_method_about_a_dossier_is_in_that_list() -> None:
    named = {name for name, member in vars(Dossiers).items() if callable(member) and "dossier_id" in member.__code__.co_varnames}
    assert len(METHODS) == len(named), named


def test_an_auditor_reads_and_changes_nothing(world: World) -> None:
    dossier_id = world.opened()
    assert world.dossiers.get(dossier_id, AUDITOR).finess == FINESS
    page = world.dossiers.page(dossier_id, AUDITOR)
    assert not (page.may_edit or page.may_submit or page.may_validate or page.may_file)
    for method in METHODS[2:5] + METHODS[6:10]:
        with pytest.raises(NotAllowed):
            method(world.dossiers, dossier_id, AUDITOR)


def test_a_list_shows_what_a_person_sees(world: World) -> None:
    dossier_id = world.opened()
    assert [d.id for d in world.dossiers.list(DIRECTOR)] == [dossier_id]
    assert world.dossiers.list(STRANGER) == []
    assert world.dossiers.of_incident("incident-1", STRANGER) is None
    with pytest.raises(NotAllowed):
        world.dossiers.list(Principal("x", "X", frozenset()))


def test_a_section_with_a_fault_is_not_saved_at_all(world: World) -> None:
    dossier_id = world.opened()
    before = world.dossiers.get(dossier_id, DIRECTOR)
    errors = world.dossiers.save_section(dossier_id, SUPPORT, {"accompagnement.demande": "oui", "accompagnement.urgence": "vite"}, DIRECTOR)
    assert [(error.key, error.label) for error in errors] == [("accompagnement.urgence", "Est-ce urgent\u202f?")]
    assert world.dossiers.get(dossier_id, DIRECTOR) == before


def test_saving_what_is_there_already_leaves_no_trace(world: World) -> None:
    dossier_id = world.complete()
    before = world.dossiers.page(dossier_id, DIRECTOR)
    world.now += timedelta(hours=1)
    assert world.dossiers.save_section(dossier_id, SUPPORT, {"accompagnement.demande": "non"}, DIRECTOR) == []
    after = world.dossiers.page(dossier_id, DIRECTOR)
    assert (after.dossier, after.journal) == (before.dossier, before.journal)


def test_a_section_no_form_has_is_refused(world: World) -> None:
    with pytest.raises(MoveRefused, match="Aucune section"):
        world.dossiers.save_section(world.opened(), "cert_sante_incident.nothing", {}, DIRECTOR)


def test_an_establishment_typed_in_gives_the_dossier_to_its_declarant(world: World) -> None:
    dossier = world.dossiers.open_for_incident(None, incident(finess=None), ANALYST)
    with pytest.raises(DossierAbsent):
        world.dossiers.get(dossier.id, DIRECTOR)
    assert world.dossiers.save_section(dossier.id, "cert_sante_incident.structure", {"structure.finess_eg": FINESS}, ANALYST) == []
    assert world.dossiers.get(dossier.id, DIRECTOR).finess == FINESS


def test_submitting_asks_for_a_complete_dossier_and_sending_back_for_a_reason(world: World) -> None:
    dossier_id = world.opened()
    with pytest.raises(DossierIncomplete, match="accompagnement du CERT Santé") as caught:
        world.dossiers.submit(dossier_id, ANALYST)
    assert [error.key for error in caught.value.errors] == ["accompagnement.demande"]
    world.dossiers.save_section(dossier_id, SUPPORT, {"accompagnement.demande": "non"}, ANALYST)
    assert world.dossiers.submit(dossier_id, ANALYST).state is DossierState.A_VALIDER
    with pytest.raises(MoveRefused, match="motif"):
        world.dossiers.send_back(dossier_id, " ", DIRECTOR)
    assert world.dossiers.send_back(dossier_id, "périmètre à préciser", DIRECTOR).state is DossierState.BROUILLON


def test_a_cancelled_dossier_changes_no_more(world: World) -> None:
    dossier_id = world.complete()
    assert world.dossiers.cancel(dossier_id, "fausse alerte", DIRECTOR).state is DossierState.ANNULE
    for method in METHODS[2:10]:
        with pytest.raises(MoveRefused):
            method(world.dossiers, dossier_id, DIRECTOR)


def test_follows_the_authority_to_the_end_which_asks_for_the_closing_section(world: World) -> None:
    dossier_id = world.filed()
    for state in (DossierState.PRIS_EN_COMPTE, DossierState.QUALIFIE, DossierState.RESOLU):
        assert world.dossiers.move(dossier_id, state, "réponse reçue", ANALYST).state is state
    with pytest.raises(DossierIncomplete, match="Date de résolution"):
        world.dossiers.move(dossier_id, DossierState.CLOS, "terminé", ANALYST)
    closing = world.dossiers.save_section(dossier_id, "cert_sante_incident.cloture", CLOSING, DIRECTOR, unknown=["cloture.cause_racine"])
    ended = world.dossiers.save_section(dossier_id, "cert_sante_incident.incident", {"incident.date_fin": "2026-11-23T08:00"}, DIRECTOR)
    kind = world.dossiers.save_section(
        dossier_id, "cert_sante_incident.origine", {"origine.type_incident": "compromission_compte"}, DIRECTOR
    )
    assert (closing, ended, kind) == ([], [], [])
    page = world.dossiers.page(dossier_id, DIRECTOR)
    assert (page.dossier.version_number, page.phase.value) == (2, "cloture")
    resolution = next(d for d in page.deadlines if d.rule_id == "resolution")
    assert resolution.started_at is not None
    assert world.dossiers.move(dossier_id, DossierState.CLOS, "terminé", ANALYST).state is DossierState.CLOS


@pytest.mark.parametrize("state", [DossierState.TRANSMIS, DossierState.VALIDE_DIRECTION, DossierState.ANNULE, DossierState.BROUILLON])
def test_states_that_have_their_own_method_are_not_set_by_hand(world: World, state: DossierState) -> None:
    with pytest.raises(MoveRefused, match="à la main"):
        world.dossiers.move(world.filed(), state, "motif", ANALYST)


def test_a_declaration_made_elsewhere_stops_its_clock_and_is_in_the_journal(world: World) -> None:
    dossier_id = world.opened()
    world.dossiers.record_transmission(dossier_id, _sent(), DIRECTOR)
    page = world.dossiers.page(dossier_id, DIRECTOR)
    cnil = next(d for d in page.deadlines if (d.form_id, d.rule_id) == ("cnil_violation", "notification"))
    assert (cnil.status, cnil.done_at) == (DeadlineStatus.DONE, NIGHT)
    assert "référence N-1" in page.journal[-1].detail
    assert page.transmissions[0].actor == DIRECTOR.name


@pytest.mark.parametrize("made", [_sent(stage="nothing"), _sent(form="nothing"), _sent(at=timedelta(hours=1)), _sent(reference=" ")])
def test_a_transmission_that_cannot_be_is_refused(world: World, made: Transmission) -> None:
    with pytest.raises(MoveRefused):
        world.dossiers.record_transmission(world.opened(), made, DIRECTOR)


def test_a_portal_used_by_hand_after_validation_makes_the_dossier_filed(world: World) -> None:
    dossier_id = world.complete()
    by_hand = _sent("cert_sante_incident", "declaration")
    with pytest.raises(MoveRefused):
        world.dossiers.record_transmission(dossier_id, by_hand, DIRECTOR)
    world.dossiers.validate(dossier_id, DIRECTOR)
    after = world.dossiers.record_transmission(dossier_id, by_hand, DIRECTOR)
    assert (after.state, after.filed_version) == (DossierState.TRANSMIS, 1)
    with pytest.raises(MoveRefused, match="autre voie"):
        world.dossiers.file(dossier_id, DIRECTOR)


def test_the_clocks_of_an_incident_run_before_it_has_a_dossier_and_are_the_dossier_s_after(world: World) -> None:
    before = world.dossiers.deadlines_for_incident(incident())
    assert {("cnil_violation", "notification"), ("anssi_nis2", "alerte_precoce")} <= {(d.form_id, d.rule_id) for d in before}
    world.filed()
    after = {(d.form_id, d.rule_id): d.status for d in world.dossiers.deadlines_for_incident(incident())}
    assert after["cert_sante_incident", "declaration"] is DeadlineStatus.DONE


def test_the_proposal_is_only_a_proposal(world: World) -> None:
    assert world.dossiers.proposal({"donnees_sante": "oui"}).decision == "a_declarer"
    assert world.dossiers.list(ANALYST) == []
