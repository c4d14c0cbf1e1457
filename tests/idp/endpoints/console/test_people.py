import pytest

from idp.model import Account, AccountKind, Device
from tests.idp.endpoints.console.entering import Console
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import NATIONAL_ID, PERSON, START

PEOPLE = "/administration/people"
OTHER = Account(
    id="5f0c7a52-0000-4000-8000-00000000000a",
    kind=AccountKind.PROFESSIONAL,
    national_id="899700000013",
    given_name="LOU",
    family_name="TEST",
)
THEIRS = f"{PEOPLE}/{OTHER.id}"


@pytest.fixture(autouse=True)
def _other(console: Console) -> None:
    console.wire.call(lambda provider: provider.store.accounts.put(OTHER))
    for name in ("a", "b"):
        console.wire.log_in(name, account_id=OTHER.id)


def _live(console: Console) -> set[str]:
    found = console.wire.call(lambda provider: provider.store.sessions.of_account(OTHER.id, provider.clock()))
    return {session.id for session in found}


def test_a_person_is_found_by_identifier_which_is_in_no_address(console: Console) -> None:
    answer = console.send(PEOPLE, PEOPLE, national_id="99700000013")
    assert answer.headers["location"] == THEIRS
    page = console.get(THEIRS)
    assert faults_of(page.text) == []
    assert "LOU TEST" in page.text and "899700000013" in page.text
    assert page.text.count("192.0.2.1") == 2


def test_nobody_has_a_wrong_identifier(console: Console) -> None:
    answer = console.send(PEOPLE, PEOPLE, national_id="<b>899700000099")
    assert answer.status_code == 404
    assert faults_of(answer.text) == []
    assert "<b>" not in answer.text


def test_one_session_is_ended_with_its_reason(console: Console) -> None:
    answer = console.send(f"{THEIRS}/sessions", THEIRS, session_id="session-a", reason="poste volé")
    assert answer.headers["location"] == f"{THEIRS}?done=ended"
    assert _live(console) == {"session-b"}
    [event] = console.wire.events("session.revoked")
    assert (event["health.actor.id"], event["event.reason"], event["user.id"]) == (NATIONAL_ID, "poste volé", OTHER.national_id)
    assert event["source.ip"] == "testclient"


def test_every_session_is_ended(console: Console) -> None:
    assert console.send(f"{THEIRS}/sessions", THEIRS, reason="départ").status_code == 303
    assert _live(console) == set()
    assert faults_of(console.get(f"{THEIRS}?done=all_ended").text) == []


def test_a_session_of_somebody_else_is_not_ended_on_this_page(console: Console) -> None:
    assert console.send(f"{THEIRS}/sessions", THEIRS, session_id="session-admin", reason="x").status_code == 404
    assert console.get(THEIRS).status_code == 200


@pytest.mark.parametrize("form", [{}, {"reason": "  "}, {"reason": "x" * 501}])
def test_nothing_is_done_to_a_person_without_a_reason(console: Console, form: dict[str, str]) -> None:
    for path in ("sessions", "suspend", "restore"):
        assert console.send(f"{THEIRS}/{path}", THEIRS, **form).status_code == 422
    assert len(_live(console)) == 2


def test_an_account_is_suspended_with_its_sessions_and_restored(console: Console) -> None:
    assert console.send(f"{THEIRS}/suspend", THEIRS, reason="enquête").status_code == 303
    assert _live(console) == set()
    assert "◆ suspendu" in console.get(THEIRS).text
    assert console.send(f"{THEIRS}/restore", THEIRS, reason="fin de l’enquête").status_code == 303
    assert "● actif" in console.get(THEIRS).text
    assert console.wire.events("account.suspended")[0]["health.actor.id"] == NATIONAL_ID


def test_a_phone_is_removed_with_its_reason_and_only_on_its_owner_s_page(console: Console) -> None:
    for name, owner in (("theirs", OTHER.id), ("mine", PERSON.id)):
        phone = Device(id=name, account_id=owner, name=f"Téléphone {name}", public_jwk={}, pin_mac="", enrolled_at=START)
        console.wire.call(lambda provider, phone=phone: provider.store.devices.put(phone))  # type: ignore[misc]
    assert faults_of(console.get(THEIRS).text) == []
    assert console.send(f"{THEIRS}/phones", THEIRS, device_id="mine", reason="x").status_code == 404
    assert console.send(f"{THEIRS}/phones", THEIRS, device_id="theirs").status_code == 422
    answer = console.send(f"{THEIRS}/phones", THEIRS, device_id="theirs", reason="perdu")
    assert answer.headers["location"] == f"{THEIRS}?done=removed"
    assert "retiré" in console.get(THEIRS).text
    [event] = console.wire.events("device.removed")
    assert (event["health.device.id"], event["health.actor.id"], event["user.id"]) == ("theirs", NATIONAL_ID, OTHER.national_id)


def test_an_address_that_is_nobody_s_is_absent(console: Console) -> None:
    assert console.get(f"{PEOPLE}/nobody").status_code == 404
    assert console.get(f"{PEOPLE}/../clients").status_code in (200, 404)
