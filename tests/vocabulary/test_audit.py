import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabulary.audit import AUDIT_FIELDS, ECS_CLASSES, FIRST_HASH, AuditAction, AuditEvent, Outcome, chain_hash

AT = datetime(2026, 3, 14, 22, 5, 7, 123456, UTC)
texts = st.text(min_size=1)
events = st.builds(
    AuditEvent,
    st.sampled_from(AuditAction),
    st.sampled_from(Outcome),
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis adds the zone
    st.dictionaries(st.sampled_from(sorted(AUDIT_FIELDS)), st.one_of(texts, st.integers(), st.booleans(), st.lists(texts)), max_size=6),
)


def _body(line: str, digest: str) -> str:
    """The line as it stood before its own hash was added."""
    ending = f',"event.hash":"{digest}"}}'
    assert line.endswith(ending)
    return line.removesuffix(ending) + "}"


@given(st.lists(events, min_size=1, max_size=8))
def test_every_line_is_one_json_object_bound_to_the_line_before(written: list[AuditEvent]) -> None:
    previous = FIRST_HASH
    for sequence, event in enumerate(written):
        line, digest = event.to_json_line(sequence=sequence, previous_hash=previous, provider="test")
        assert "\n" not in line
        assert "\r" not in line
        document = json.loads(line)
        assert (document["event.sequence"], document["event.action"], document["event.hash"]) == (sequence, event.action, digest)
        assert {name: document[name] for name in event.fields} == dict(event.fields)
        assert chain_hash(previous, _body(line, digest)) == digest
        previous = digest


@given(events, st.integers(0, 10_000))
def test_a_changed_character_breaks_the_chain(event: AuditEvent, place: int) -> None:
    line, digest = event.to_json_line(sequence=0, previous_hash=FIRST_HASH, provider="test")
    body = _body(line, digest)
    place %= len(body)
    changed = body[:place] + ("x" if body[place] != "x" else "y") + body[place + 1 :]
    assert chain_hash(FIRST_HASH, changed) != digest
    assert chain_hash("1" * 64, body) != digest


def test_an_event_carries_its_class_and_its_instant_in_utc() -> None:
    paris = AT.astimezone(timezone(timedelta(hours=1)))
    line, _ = AuditEvent(AuditAction.SESSION_REVOKED, Outcome.SUCCESS, paris).to_json_line(
        sequence=7, previous_hash=FIRST_HASH, provider="urn:test"
    )
    document = json.loads(line)
    ecs = ECS_CLASSES[AuditAction.SESSION_REVOKED]
    assert document["@timestamp"] == "2026-03-14T22:05:07.123Z"
    assert (document["event.category"], document["event.type"]) == (list(ecs.category), list(ecs.type))
    assert (document["event.dataset"], document["event.provider"]) == ("idp.audit", "urn:test")


def test_a_field_outside_the_contract_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"unknown field 'user\.birthdate'"):
        AuditEvent(AuditAction.LOGIN_FAILED, Outcome.FAILURE, AT, {"user.birthdate": "1970-01-01"})


def test_an_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        AuditEvent(AuditAction.LOGIN_FAILED, Outcome.FAILURE, AT.replace(tzinfo=None))


def test_every_action_has_its_class() -> None:
    assert set(ECS_CLASSES) == set(AuditAction)
