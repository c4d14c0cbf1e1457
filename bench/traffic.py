"""Log lines of an ordinary evening, made up: the same ones on every run."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from deploy.demo.services import audit_event
from vocabulary.audit import FIRST_HASH, AuditAction, AuditEvent, AuditValue, Outcome
from vocabulary.identifiers import luhn_key

_BEGIN = datetime(2026, 3, 14, 18, 0, tzinfo=UTC)
_AGENTS = tuple(f"Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0" for version in range(120, 150))
_ACTIONS = (AuditAction.LOGIN_SUCCEEDED, AuditAction.SESSION_STARTED, AuditAction.ACCESS_TOKEN_ISSUED, AuditAction.USERINFO_RELEASED)
_FINESS = "0B0000005"
#: As many as a large hospital has at work: 25 lines a second are then an ordinary evening, and few of them make an alert.
_PEOPLE_COUNT = 3_000


def evening(count: int, *, json_only: bool = False) -> Iterator[tuple[str, bytes]]:
    """(source, line): three of nginx to one of the patient record and one of the provider, in the order of their times."""
    chance = random.Random(20260314)  # repeatable on purpose
    people = [_national_id(number) for number in range(_PEOPLE_COUNT)]
    # A person works at one place, now and then from another: many addresses of one person are what a rule looks for.
    addresses = {person: (f"192.0.2.{number % 250 + 1}", f"198.51.100.{number % 250 + 1}") for number, person in enumerate(people)}
    kinds = ("fhir", "idp") if json_only else ("nginx", "nginx", "nginx", "fhir", "idp")
    sequence, previous = 1, FIRST_HASH
    for number in range(count):
        at = _BEGIN + timedelta(milliseconds=40 * number)
        person = chance.choice(people)
        address = chance.choices(addresses[person], (20, 1))[0]
        kind = kinds[number % len(kinds)]
        if kind == "nginx":
            yield kind, _access_line(chance, at, person, address)
        elif kind == "fhir":
            patient = f"TEST-PATIENT-{chance.randrange(5_000):04d}"
            what = chance.choice(("read", "read", "read", "search"))
            document = audit_event(at, person, address, patient, what, finess=_FINESS, session_id=f"session-{person}")
            yield kind, json.dumps(document, ensure_ascii=False).encode()
        else:
            fields: dict[str, AuditValue] = {
                "user.id": person,
                "source.ip": address,
                "user_agent.original": chance.choice(_AGENTS),
                "health.relying_party.id": "dossier-patient",
                "health.session.id": f"session-{person}",
                "health.authentication.method": "device",
            }
            event = AuditEvent(chance.choice(_ACTIONS), Outcome.SUCCESS, at, fields)
            line, previous = event.to_json_line(sequence=sequence, previous_hash=previous, provider="bench")
            sequence += 1
            yield kind, line.encode()


def _access_line(chance: random.Random, at: datetime, person: str, address: str) -> bytes:
    status = chance.choice((200, 200, 200, 200, 304, 404))
    path = f"/dossiers/{chance.randrange(5_000)}"
    size, agent = chance.randrange(200, 40_000), chance.choice(_AGENTS)
    return f'{address} - {person} [{at:%d}/Mar/{at:%Y:%H:%M:%S} +0000] "GET {path} HTTP/1.1" {status} {size} "-" "{agent}"'.encode()


def _national_id(number: int) -> str:
    order = f"997{1000 + number:07d}"
    return f"8{order}{luhn_key(order)}"
