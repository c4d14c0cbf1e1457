"""Following the chain: state that is saved and restored, and any tampering that shows."""

import itertools
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from siem.errors import DataError
from siem.sources.idp import Idp
from tests.siem.sources.golden import record, settings
from vocabulary.audit import FIRST_HASH, AuditAction, AuditEvent, Outcome

AT = datetime(2026, 11, 22, 21, 14, tzinfo=UTC)


def _log(count: int) -> list[str]:
    lines, previous = [], FIRST_HASH
    for number in range(1, count + 1):
        event = AuditEvent(AuditAction.LOGIN_FAILED, Outcome.FAILURE, AT, {"source.port": number})
        line, previous = event.to_json_line(sequence=number, previous_hash=previous, provider="https://idp.example")
        lines.append(line)
    return lines


LINES = _log(40)


def _breaks(source: Idp, lines: list[str]) -> list[str]:
    events = [event for number, line in enumerate(lines) for event in source.parse(record("idp", line, f"1:{number}"))]
    return [str(event.fields["event.reason"]) for event in events if event.fields["event.action"] == "audit_log.broken"]


@given(st.lists(st.integers(0, len(LINES)), max_size=6))
def test_a_restart_anywhere_changes_nothing(cuts: list[int]) -> None:
    whole = Idp(settings("idp"))
    assert _breaks(whole, LINES) == []
    state: bytes | None = None
    bounds = [0, *sorted(cuts), len(LINES)]
    for start, end in itertools.pairwise(bounds):
        source = Idp(settings("idp"))
        source.restore(state)
        assert _breaks(source, LINES[start:end]) == []
        state = source.export_state()
    assert state == whole.export_state()


@given(st.integers(1, len(LINES) - 2), st.integers(1, 5))
def test_any_removed_lines_show_once(first: int, count: int) -> None:
    kept = LINES[:first] + LINES[first + count :]
    assert len(_breaks(Idp(settings("idp")), kept)) == (1 if first + count < len(LINES) else 0)


@given(st.integers(0, len(LINES) - 2), st.data())
def test_any_changed_character_is_refused_or_shows(index: int, data: st.DataObject) -> None:
    line = LINES[index]
    at = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]).filter(lambda character: character != line[at]))
    changed = [*LINES[:index], line[:at] + other + line[at + 1 :], *LINES[index + 1 :]]
    source = Idp(settings("idp"))
    refused, breaks = 0, []
    for text in changed:
        try:
            breaks += _breaks(source, [text])
        except DataError:
            refused += 1
    assert refused or breaks


def test_lines_sent_again_by_a_shipper_are_no_break() -> None:
    source = Idp(settings("idp"))
    assert _breaks(source, LINES[:20]) == []
    assert _breaks(source, LINES[5:30]) == []


def test_a_forged_old_line_is_not_believed() -> None:
    source = Idp(settings("idp"))
    _breaks(source, LINES[:20])
    forged, _ = AuditEvent(AuditAction.LOGIN_SUCCEEDED, Outcome.SUCCESS, AT, {}).to_json_line(
        sequence=12, previous_hash="0" * 64, provider="x"
    )
    events = source.parse(record("idp", forged, "9:9"))
    assert [event.fields["event.action"] for event in events] == ["audit_log.broken"]
    assert "line 12 came after line 20" in str(events[0].fields["event.reason"])


def test_what_is_remembered_stays_small() -> None:
    source = Idp(settings("idp"))
    _breaks(source, _log(1000))
    state = source.export_state()
    assert state is not None
    assert len(state) < 32_768
