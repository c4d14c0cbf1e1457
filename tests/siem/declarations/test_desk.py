import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from siem.access import Principal, Role
from siem.declarations.desk import Conflict, DeskState
from siem.declarations.documents import canonical
from siem.declarations.inspection import Unacceptable
from siem.declarations.model import DossierAbsent, MoveRefused, NotAllowed
from siem.declarations.receipt import verify
from tests.siem.declarations.world import ANALYST, DIRECTOR, FINESS, LEAD, OTHER_FINESS, World

ARS = Principal("ars-53", "ARS Bretagne", frozenset({Role.ARS}), frozenset({FINESS}))
FAR_ARS = Principal("ars-84", "ARS Rhône", frozenset({Role.ARS}), frozenset({OTHER_FINESS}))


def _document(world: World) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(world.dossiers.validate(world.complete(), DIRECTOR).body)
    return document


def _body(document: dict[str, Any], **changes: object) -> bytes:
    return canonical({**document, **changes})


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def test_the_same_bytes_again_get_the_same_receipt(world: World) -> None:
    body = _body(_document(world))
    first, new = world.desk.receive(body, "ch-exemple")
    world.now = datetime(2026, 12, 1, tzinfo=UTC)
    assert (new, world.desk.receive(body, "ch-exemple")) == (True, (first, False))
    assert verify(first.jws, world.desk.jwks()) == first


def test_numbers_follow_each_other_within_a_year_of_paris(world: World) -> None:
    document = _document(world)
    numbers = []
    for rank, now in enumerate(["2026-11-22T03:14", "2026-12-31T22:59", "2026-12-31T23:01", "2027-03-01T00:00"], 1):
        world.now = datetime.fromisoformat(now).replace(tzinfo=UTC)
        numbers.append(world.desk.receive(_body(document, id=_id(rank)), "ch-exemple")[0].number)
    assert numbers == ["VEI-2026-000001", "VEI-2026-000002", "VEI-2027-000001", "VEI-2027-000002"]


def test_declarations_that_arrive_at_once_never_share_a_number(world: World) -> None:
    document = _document(world)
    bodies = [_body(document, id=_id(rank)) for rank in range(1, 9)] * 2
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda body: world.desk.receive(body, "ch-exemple")[0], bodies))
    assert sorted({receipt.number for receipt in receipts}) == [f"VEI-2026-{rank:06d}" for rank in range(1, 9)]
    assert len({receipt.jws for receipt in receipts}) == 8


def test_a_version_is_received_once_and_never_after_a_later_one(world: World) -> None:
    document = _document(world)
    world.desk.receive(_body(document, numero_version=2), "ch-exemple")
    for number in (1, 2):
        with pytest.raises(Conflict):
            world.desk.receive(_body(document, numero_version=number, tlp="RED"), "ch-exemple")
    third, new = world.desk.receive(_body(document, numero_version=3), "ch-exemple")
    assert (third.number, third.version_number, new) == ("VEI-2026-000001", 3, True)
    assert [receipt.version_number for receipt in world.desk.receipts("VEI-2026-000001", "ch-exemple")] == [2, 3]


def test_another_sender_cannot_take_over_a_declaration_nor_read_its_receipts(world: World) -> None:
    document = _document(world)
    world.desk.receive(_body(document), "ch-exemple")
    with pytest.raises(Unacceptable, match="autre expéditeur"):
        world.desk.receive(_body(document, numero_version=2), "clinique")
    assert world.desk.receipts("VEI-2026-000001", "clinique") == ()


def test_a_refused_declaration_leaves_nothing_and_uses_no_number(world: World) -> None:
    document = _document(world)
    with pytest.raises(Unacceptable):
        world.desk.receive(_body(document, structure={}), "ch-exemple")
    assert world.desk.list(LEAD) == []
    assert world.desk.receive(_body(document), "ch-exemple")[0].number == "VEI-2026-000001"


def test_only_the_lead_and_the_ars_of_the_region_handle_the_desk(world: World) -> None:
    world.filed()
    assert [len(world.desk.list(person)) for person in (LEAD, ARS, FAR_ARS)] == [1, 1, 0]
    for person in (ANALYST, DIRECTOR):
        with pytest.raises(NotAllowed):
            world.desk.list(person)
        with pytest.raises(NotAllowed):
            world.desk.decide("VEI-2026-000001", DeskState.PRIS_EN_COMPTE, "", person)
    with pytest.raises(DossierAbsent):
        world.desk.get("VEI-2026-000001", FAR_ARS)


def test_a_declaration_is_acknowledged_qualified_and_may_need_a_complement(world: World) -> None:
    dossier_id = world.filed()
    assert world.desk.decide("VEI-2026-000001", DeskState.PRIS_EN_COMPTE, "", ARS).state is DeskState.PRIS_EN_COMPTE
    with pytest.raises(MoveRefused, match="motif"):
        world.desk.decide("VEI-2026-000001", DeskState.COMPLEMENT_DEMANDE, " ", ARS)
    asked = world.desk.decide("VEI-2026-000001", DeskState.COMPLEMENT_DEMANDE, "périmètre ?", LEAD)
    assert (asked.state, asked.decision) == (DeskState.COMPLEMENT_DEMANDE, "périmètre ?")
    world.dossiers.save_section(dossier_id, "cert_sante_incident.incident", {"incident.perimetre": "compte"}, DIRECTOR)
    world.dossiers.validate(dossier_id, DIRECTOR)
    world.dossiers.file(dossier_id, DIRECTOR)
    latest, body = world.desk.get("VEI-2026-000001", LEAD)
    assert (latest.state, latest.version_number, json.loads(body)["incident"]["perimetre"]) == (DeskState.PRIS_EN_COMPTE, 2, "compte")
    with pytest.raises(MoveRefused):
        world.desk.decide("VEI-2026-000001", DeskState.RECU, "motif", LEAD)


def test_lists_by_state_and_region(world: World) -> None:
    world.filed()
    assert len(world.desk.list(LEAD, state=DeskState.RECU, region="53")) == 1
    assert world.desk.list(LEAD, state=DeskState.QUALIFIE) == []
    assert world.desk.list(LEAD, region="11") == []
