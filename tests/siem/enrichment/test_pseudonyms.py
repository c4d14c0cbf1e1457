"""Identifiers leave the events; one restricted table, and a trace, bring them back."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.access import Principal, Role
from siem.enrichment.pseudonyms import (
    Pseudonyms,
    RevelationRefused,
    identities,
    list_revelations,
    load_key,
    resolve,
    reveal,
    revelations,
)
from siem.errors import DataError, OperationError
from siem.event import Fields
from siem.store.database import Database

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
KEY = bytes(range(32))
ANALYST = Principal("899700000104", "Ana Lyste", frozenset({Role.ANALYSTE}))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/watch.sqlite")
    with made.transaction() as connection:
        identities.create(connection)
        revelations.create(connection)
    yield made
    made.close()


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_person_has_one_pseudonym_and_two_people_have_two(one: str, other: str) -> None:
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.of("user.id", one) == Pseudonyms(KEY).of("user.id", one)
    assert (pseudonyms.of("user.id", one) == pseudonyms.of("user.id", other)) is (one == other)
    assert pseudonyms.of("user.id", one) != Pseudonyms(bytes(32)).of("user.id", one), "without the key nobody can try identifiers out"
    assert pseudonyms.of("user.id", one)[2:] != pseudonyms.of("health.patient.pseudonym", one)[4:]


def test_no_identifier_is_left_in_an_event() -> None:
    fields: Fields = {
        "user.id": "899700000005",
        "health.patient.pseudonym": "185017505600149",
        "url.original": "/patients/185017505600149?par=899700000005&autre=253072A07300443",
        "url.path": "/patients/185017505600149",
        "url.query": "par=899700000005&autre=253072A07300443",
        "http.request.referrer": "https://dossier.example/295109912611193/",
        "event.reason": "opened by 899700000005",
        "http.response.body.bytes": 185017505600149,
        "trace.id": "185017505600149185017505600149ab",
    }
    Pseudonyms(KEY).enrich(fields)
    person, patient = fields["user.id"], fields["health.patient.pseudonym"]
    assert str(person).startswith("P-")
    assert len(str(person)) == 12
    assert str(patient).startswith("PAT-")
    assert len(str(patient)) == 14
    assert fields["url.path"] == f"/patients/{patient}"
    assert str(fields["url.query"]).startswith(f"par={person}&autre=PAT-")
    texts = " ".join(str(fields[name]) for name in ("url.original", "url.path", "url.query", "http.request.referrer", "event.reason"))
    assert not any(identifier in texts for identifier in ("899700000005", "185017505600149", "253072A07300443", "295109912611193"))


def test_the_join_key_is_saved_once_and_again_after_a_failed_transaction(database: Database) -> None:
    pseudonyms = Pseudonyms(KEY)
    pseudonym = pseudonyms.of("user.id", "899700000005")
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        pseudonyms.save(connection)
        raise ZeroDivisionError
    with database.transaction() as connection:
        assert resolve(connection, pseudonym) is None
        pseudonyms.save(connection)
    pseudonyms.committed()
    for again in (pseudonyms, Pseudonyms(KEY)):
        again.of("user.id", "899700000005")
        again.of("user.id", "899700000013")
        with database.transaction() as connection:
            again.save(connection)
        again.committed()
    with database.reading() as connection:
        assert resolve(connection, pseudonym) == "899700000005"
        assert resolve(connection, "P-UNKNOWN") is None


def test_who_looks_behind_a_pseudonym_leaves_a_trace(database: Database) -> None:
    pseudonyms = Pseudonyms(KEY)
    pseudonym = pseudonyms.of("user.id", "899700000005")
    with database.transaction() as connection:
        pseudonyms.save(connection)
        assert reveal(connection, pseudonym, ANALYST, " levée de doute ", AT) == "899700000005"
        assert reveal(connection, "P-NOBODY", ANALYST, "levée de doute", AT) is None
    with database.reading() as connection:
        latest, first = list_revelations(connection)
        assert (first.pseudonym, first.actor, first.at, first.reason, first.found) == (
            pseudonym,
            ANALYST.subject,
            AT,
            "levée de doute",
            True,
        )
        assert (latest.pseudonym, latest.found) == ("P-NOBODY", False)
        assert list_revelations(connection, pseudonym=pseudonym) == [first]


@pytest.mark.parametrize(
    ("role", "reason", "problem"),
    [(Role.DECLARANT, "curious", "roles"), (Role.AUDITEUR, "curious", "roles"), (Role.ANALYSTE, "  ", "reason")],
)
def test_without_right_or_reason_nobody_looks(database: Database, role: Role, reason: str, problem: str) -> None:
    with pytest.raises(RevelationRefused, match=problem), database.transaction() as connection:
        reveal(connection, "P-1", Principal("x", "X", frozenset({role})), reason, AT)


def test_the_key_is_made_once_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "pseudonym.key"
    key = load_key(path)
    assert load_key(path) == key
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"short")
    with pytest.raises(DataError, match="32 bytes expected"):
        load_key(path)
    with pytest.raises(OperationError):
        load_key(tmp_path)


def test_accounts_of_windows_keep_their_domain_and_those_of_machines_their_names() -> None:
    pseudonyms = Pseudonyms(KEY)
    claire = pseudonyms.of("user.id", "claire.martin")
    fields: Fields = {
        "user.id": "claire.martin",
        "User": r"HOPITAL\Claire.Martin",
        "SubjectUserName": "PC-ACCUEIL$",
        "TargetUserSid": "S-1-5-18",
        "SubjectUserSid": "S-1-5-21-4228717743-1032521047-1810997296-1104",
        "Image": r"C:\Users\claire.martin\Desktop\outil.exe",
        "CommandLine": r"outil.exe C:\Users\Public\a.txt",
        "ServiceName": "updater",
        "ProcessId": 4660,
        "related.user": ["claire.martin", "SYSTEM"],
        "winlog.event_data.TargetUserName": "claire.martin",
        "source.user.name": "claire.martin",
        "winlog.event_data.Detection User": "claire.martin",
        "RemediationUser": r"HOPITAL\claire.martin",
        "process.name": "claire.martin",
        "ContextInfo": "Host Name = ConsoleHost\r\nUser = HOPITAL\\claire.martin\r\nShell ID = x",
        "message": r"by C:\Users\claire.martin\a.exe",
    }
    pseudonyms.enrich(fields)
    sid = str(fields.pop("SubjectUserSid"))
    assert sid.startswith("P-") and sid != claire
    assert fields == {
        "user.id": claire,
        "User": rf"HOPITAL\{claire}",
        "SubjectUserName": "PC-ACCUEIL$",
        "TargetUserSid": "S-1-5-18",
        "Image": rf"C:\Users\{claire}\Desktop\outil.exe",
        "CommandLine": r"outil.exe C:\Users\Public\a.txt",
        "ServiceName": "updater",
        "ProcessId": 4660,
        "related.user": [claire, "SYSTEM"],
        "winlog.event_data.TargetUserName": claire,
        "source.user.name": claire,
        "winlog.event_data.Detection User": claire,
        "RemediationUser": rf"HOPITAL\{claire}",
        "process.name": "claire.martin",
        "ContextInfo": f"Host Name = ConsoleHost\r\nUser = HOPITAL\\{claire}\r\nShell ID = x",
        "message": rf"by C:\Users\{claire}\a.exe",
    }


def test_nobody_hides_a_program_by_the_name_of_an_account() -> None:
    fields: Fields = {
        "user.id": "powershell",
        "User": r"PC\powershell",
        "Image": r"C:\Windows\powershell.exe",
        "CommandLine": "powershell -enc",
    }
    Pseudonyms(KEY).enrich(fields)
    assert fields["Image"] == r"C:\Windows\powershell.exe"
    assert fields["CommandLine"] == "powershell -enc"


def test_each_of_several_people_gets_a_pseudonym_wherever_they_are_named() -> None:
    pseudonyms = Pseudonyms(KEY)
    people = ["899700000146", "899700000161"]
    fields: Fields = {"user.id": people, "message": ["899700000146 came", "nobody"], "url.path": "/p/899700000161"}
    pseudonyms.enrich(fields)
    one, other = pseudonyms.of("user.id", "899700000146"), pseudonyms.of("user.id", "899700000161")
    assert fields == {"user.id": [one, other], "message": [f"{one} came", "nobody"], "url.path": f"/p/{other}"}
