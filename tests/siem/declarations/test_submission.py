import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import httpx
import jwt
import pytest

from siem.declarations.model import DossierIncomplete, DossierState, FilingFailed, MoveRefused, NotAllowed
from siem.declarations.service import Dossiers
from tests.siem.declarations.world import ANALYST, DIRECTOR, ESTABLISHMENT, FACTS, FINESS, ISSUER, LEAD, NIGHT, World, incident

SUPPORT = "cert_sante_incident.accompagnement"


def test_validation_freezes_the_bytes_whose_hash_it_gives(world: World) -> None:
    dossier_id = world.complete()
    version = world.dossiers.validate(dossier_id, DIRECTOR)
    assert version.sha256 == hashlib.sha256(version.body).hexdigest()
    assert json.loads(version.body)["etat"] == "valide_direction"
    world.now += timedelta(days=1)
    assert world.dossiers.validate(dossier_id, DIRECTOR) == version
    assert world.dossiers.json(dossier_id, DIRECTOR) == version.body
    assert world.dossiers.get(dossier_id, DIRECTOR).state is DossierState.VALIDE_DIRECTION


def test_an_analyst_or_the_lead_cannot_validate(world: World) -> None:
    dossier_id = world.complete()
    for person in (ANALYST, LEAD):
        with pytest.raises(NotAllowed, match="déclarant de cet établissement"):
            world.dossiers.validate(dossier_id, person)


def test_a_missing_field_is_named_and_nothing_is_frozen(world: World) -> None:
    dossier_id = world.opened()
    with pytest.raises(DossierIncomplete, match="1 champ à reprendre") as caught:
        world.dossiers.validate(dossier_id, DIRECTOR)
    assert caught.value.errors[0].section == SUPPORT
    assert world.dossiers.versions(dossier_id, DIRECTOR) == ()


def test_a_change_voids_the_validation_and_makes_the_next_version(world: World) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)
    assert (
        world.dossiers.save_section(
            dossier_id, SUPPORT, {"accompagnement.demande": "oui", "accompagnement.nature": ["endiguement"]}, ANALYST
        )
        == []
    )
    dossier = world.dossiers.get(dossier_id, DIRECTOR)
    assert (dossier.state, dossier.version_number) == (DossierState.BROUILLON, 2)
    with pytest.raises(MoveRefused, match="pas validée"):
        world.dossiers.file(dossier_id, DIRECTOR)
    changed = world.dossiers.differences(dossier_id, 1, None, DIRECTOR)
    assert [(d.key, d.old, d.new) for d in changed] == [
        ("accompagnement.demande", "Non", "Oui"),
        ("accompagnement.nature", None, "Endiguement"),
    ]


def test_the_receipt_is_about_the_frozen_bytes_and_its_signature_holds_for_another_implementation(world: World) -> None:
    dossier_id = world.complete()
    version = world.dossiers.validate(dossier_id, DIRECTOR)
    receipt = world.dossiers.file(dossier_id, ANALYST)
    (published,) = world.desk.jwks()["keys"]
    claims = jwt.decode(receipt.jws, jwt.PyJWK(published).key, algorithms=["ES256"], options={"verify_aud": False})
    assert claims == {
        "iss": ISSUER,
        "number": "VEI-2026-000001",
        "received_at": "2026-11-22T03:14:00Z",
        "sha256": hashlib.sha256(version.body).hexdigest(),
        "declaration_id": dossier_id,
        "version_number": 1,
    }
    dossier = world.dossiers.get(dossier_id, DIRECTOR)
    assert (dossier.state, dossier.filed_version, dossier.receipt_number) == (DossierState.TRANSMIS, 1, "VEI-2026-000001")


def test_filing_twice_gives_one_receipt_and_asks_the_desk_once(world: World) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)
    first = world.dossiers.file(dossier_id, DIRECTOR)
    count = len(world.wire.received)
    assert world.dossiers.file(dossier_id, ANALYST) == first
    assert len(world.wire.received) == count


def test_several_people_filing_at_once_get_one_receipt(world: World) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda person: world.dossiers.file(dossier_id, person), [DIRECTOR, ANALYST, LEAD, DIRECTOR]))
    assert len({receipt.jws for receipt in receipts}) == 1
    assert len(world.dossiers.page(dossier_id, DIRECTOR).transmissions) == 1
    assert len(world.desk.list(LEAD)) == 1


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("after_the_desk_received", [False, True])
def test_a_kill_half_way_neither_loses_nor_doubles(world: World, after_the_desk_received: bool) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)

    def die(request: httpx.Request, _count: int) -> httpx.Response:
        if after_the_desk_received:
            world.wire.deliver(request)
        raise Killed

    world.wire.fate = die
    with pytest.raises(Killed):
        world.dossiers.file(dossier_id, DIRECTOR)
    assert len(world.desk.list(LEAD)) == int(after_the_desk_received)
    world.wire.fate = lambda request, count: None
    world.now = NIGHT + timedelta(minutes=10)
    restarted = Dossiers(world.database, world.clock, world.forms, filing=world.filing, establishments={FINESS: ESTABLISHMENT})
    assert restarted.resume_filings() == 1
    assert restarted.resume_filings() == 0
    (receipt,) = restarted.receipts(dossier_id, DIRECTOR)
    assert receipt.received_at == (NIGHT if after_the_desk_received else world.now)
    assert restarted.get(dossier_id, DIRECTOR).state is DossierState.TRANSMIS
    assert [declaration.number for declaration in world.desk.list(LEAD)] == ["VEI-2026-000001"]


def test_a_desk_that_does_not_answer_leaves_the_filing_pending_and_says_so(world: World) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)
    world.wire.fate = lambda request, count: httpx.Response(503)
    with pytest.raises(FilingFailed, match="Rien n’est perdu"):
        world.dossiers.file(dossier_id, DIRECTOR)
    page = world.dossiers.page(dossier_id, DIRECTOR)
    assert (page.dossier.state, page.may_file, bool(page.filing_error)) == (DossierState.VALIDE_DIRECTION, True, True)
    with pytest.raises(MoveRefused, match="dépôt est en cours"):
        world.dossiers.cancel(dossier_id, "motif", DIRECTOR)
    assert [world.dossiers.resume_filings() for _ in range(3)] == [0, 0, 0]
    assert [entry.action for entry in world.dossiers.page(dossier_id, DIRECTOR).journal].count("dépôt échoué") == 1
    world.wire.fate = lambda request, count: None
    assert world.dossiers.file(dossier_id, DIRECTOR).number == "VEI-2026-000001"
    assert world.dossiers.page(dossier_id, DIRECTOR).filing_error == ""


def test_a_refusal_of_the_desk_is_shown_field_by_field_and_not_sent_again_by_itself(world: World) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)
    world.wire.fate = lambda request, count: httpx.Response(
        422, json={"message": "Non recevable.", "errors": [{"field": "structure.finess_eg", "problem": "inconnu"}]}
    )
    with pytest.raises(FilingFailed, match=r"structure\.finess_eg"):
        world.dossiers.file(dossier_id, DIRECTOR)
    world.wire.fate = lambda request, count: None
    assert world.dossiers.resume_filings() == 0
    assert world.dossiers.file(dossier_id, DIRECTOR).version_number == 1


def test_without_a_desk_the_filing_waits(world: World) -> None:
    dossier_id = world.complete()
    world.dossiers.validate(dossier_id, DIRECTOR)
    alone = Dossiers(world.database, world.clock, world.forms)
    with pytest.raises(FilingFailed, match="Aucun guichet"):
        alone.file(dossier_id, DIRECTOR)
    assert world.dossiers.resume_filings() == 1


def test_a_complement_keeps_the_number_and_is_a_new_version(world: World) -> None:
    dossier_id = world.filed()
    world.dossiers.move(dossier_id, DossierState.PRIS_EN_COMPTE, "vu", ANALYST)
    world.dossiers.move(dossier_id, DossierState.COMPLEMENT_DEMANDE, "périmètre ?", ANALYST)
    section = {"incident.perimetre": "compte", "incident.si_concernes": ["dpi", "messagerie"]}
    assert world.dossiers.save_section(dossier_id, "cert_sante_incident.incident", section, ANALYST) == []
    world.now += timedelta(hours=5)
    version = world.dossiers.validate(dossier_id, DIRECTOR)
    assert (version.number, version.phase.value) == (2, "complement")
    receipt = world.dossiers.file(dossier_id, DIRECTOR)
    assert (receipt.number, receipt.version_number) == ("VEI-2026-000001", 2)
    assert world.dossiers.get(dossier_id, DIRECTOR).state is DossierState.COMPLETE
    assert [frozen.number for frozen in world.dossiers.versions(dossier_id, DIRECTOR)] == [1, 2]
    assert "incident.perimetre" in {d.key for d in world.dossiers.differences(dossier_id, 1, 2, DIRECTOR)}
    declared = next(d for d in world.dossiers.page(dossier_id, DIRECTOR).deadlines if d.rule_id == "declaration")
    assert declared.done_at == NIGHT


def test_new_facts_after_filing_go_to_the_next_version_only(world: World) -> None:
    dossier_id = world.filed()
    first = world.dossiers.json(dossier_id, DIRECTOR, 1)
    assert world.dossiers.save_section(dossier_id, "cert_sante_incident.incident", {"incident.nb_postes": "2"}, ANALYST) == []
    world.dossiers.open_for_incident(None, incident(), ANALYST, replace(FACTS, patient_count=99))
    dossier = world.dossiers.get(dossier_id, DIRECTOR)
    assert (dossier.version_number, dossier.content.values["incident.nb_dossiers"]) == (2, 99)
    assert world.dossiers.json(dossier_id, DIRECTOR, 1) == first
