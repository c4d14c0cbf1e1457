"""A plan names each change, changes nothing, and is empty once applied."""

from dataclasses import replace
from datetime import UTC, datetime

from idp.model import Client
from idp.registration.document import text_of
from idp.registration.plan import Kind, plan, told_change
from tests.idp.wire import client

AGENDA = Client(client_id="agenda", client_name="Agenda", redirect_uris=("https://agenda.example/retour",))
DOSSIER = Client(client_id="dossier", client_name="Dossier", redirect_uris=("https://dossier.example/retour",))


def test_a_new_client_is_created_with_every_member_that_is_written() -> None:
    (change,) = plan([], [AGENDA], prune=False)
    assert change.kind is Kind.CREATED
    assert ("redirect_uris", None, ["https://agenda.example/retour"]) in change.members


def test_a_changed_member_is_named_with_what_it_was_and_will_be_and_the_secret_is_no_difference() -> None:
    present = replace(AGENDA, client_secret_hash="0" * 64)
    assert plan([present], [AGENDA], prune=True) == []
    (change,) = plan([present], [replace(AGENDA, client_name="Rendez-vous")], prune=False)
    assert (change.kind, change.members) == (Kind.CHANGED, (("client_name", "Agenda", "Rendez-vous"),))


def test_a_member_no_longer_written_goes_back_to_its_default() -> None:
    (change,) = plan([replace(AGENDA, disabled=True)], [AGENDA], prune=False)
    assert change.members == (("disabled", True, None),)


def test_a_client_that_the_file_does_not_name_is_left_alone_or_disabled_never_deleted() -> None:
    assert plan([AGENDA, DOSSIER], [AGENDA], prune=False) == []
    (change,) = plan([AGENDA, DOSSIER], [AGENDA], prune=True)
    assert (change.client, change.kind) == (replace(DOSSIER, disabled=True), Kind.DISABLED)
    assert plan([AGENDA, change.client], [AGENDA], prune=True) == []


def test_a_client_that_registered_itself_is_in_no_file_and_left_alone() -> None:
    itself = replace(DOSSIER, registered_at=datetime(2026, 11, 22, tzinfo=UTC), registration_token_hash="0" * 64)
    assert plan([AGENDA, itself], [AGENDA], prune=True) == []
    assert "dossier" not in text_of([AGENDA, itself])


def test_a_change_is_told_by_name_with_before_and_after_and_nothing_of_people_or_secrets() -> None:
    before = client("one", client_name="Avant", developers=("899700000005",), client_secret_hash="a" * 64)
    after = replace(before, client_name="Après", developers=("899700000013",), client_secret_hash="b" * 64, disabled=True)
    told = told_change(before, after)
    assert told == 'changed: client_name: "Avant" → "Après"; developers; disabled: – → true; a new secret'
    assert told_change(None, before).startswith('registered: client_id: – → "one"')
    assert told_change(before, before) == "changed: "


def test_what_is_told_of_a_change_has_an_end() -> None:
    long = client("one", redirect_uris=tuple(f"https://service.example/{number}" for number in range(500)))
    assert len(told_change(None, long)) <= 2_000
