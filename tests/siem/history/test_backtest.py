"""A backtest counts the alerts that the watch would have raised."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siem.detection import Detection
from siem.detection.load import load_rules
from siem.detection.naming import find_rule
from siem.history.backtest import Tally, backtest
from siem.history.hunt import Step, Stretch, plan
from siem.incidents.alerting import rhythm_of
from siem.incidents.grouping import coalesce
from siem.settings import ROOT
from siem.store.events import Scope
from tests.siem.history.night import BEGIN, Night

SWEEP = plan(ruleset := load_rules(ROOT / "rules"), find_rule(ruleset, "fhir_record_sweep").id)
AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_it_counts_what_the_live_watch_raised(tmp_path: Path) -> None:
    night = Night.played(tmp_path)
    try:
        for rule_id in night.ruleset.alerting:
            live = night.alerts(rule_id)
            found = backtest(night.events, plan(night.ruleset, rule_id), Stretch(Scope(), AT, AT + timedelta(days=30)))
            assert found.alert_count == sum(day.alert_count for day in found.days) == len(live)
            assert found.event_count == sum(len(ids) for _, _, ids in live)
            assert {subject.values: subject.alert_count for subject in found.subjects} == Counter(group for _, group, _ in live)
            assert found.complete and found.looked_count == 1782
            # The stretch begins where history does, and ends where it was asked to end.
            assert found.from_at is not None and found.from_at.date() == BEGIN.date() and found.to_at == AT + timedelta(days=30)
            assert len(found.days) == 17 and found.alerts_per_day == pytest.approx(len(live) / 16.25, rel=0.01)
        stopped = backtest(night.events, SWEEP, Stretch(Scope()), stopped=lambda: True)
        assert not stopped.complete and stopped.looked_count == 0
    finally:
        night.close()


detections = st.lists(
    st.builds(
        lambda who, begin, length: (who, begin, length),
        st.sampled_from("abc"),
        st.integers(0, 60_000),
        st.integers(0, 3_600),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(detections)
def test_detections_within_the_repeat_window_are_one_alert(rows: list[tuple[str, int, int]]) -> None:
    made = [
        Detection(
            SWEEP.rule.id,
            "default",
            (("user.id", who),),
            AT + timedelta(seconds=begin),
            AT + timedelta(seconds=begin + length),
            (f"{place}",),
            (),
            (),
        )
        for place, (who, begin, length) in enumerate(sorted(rows, key=lambda row: (row[1], row[2])))
    ]
    tally = Tally(SWEEP, Stretch(Scope(), AT, AT + timedelta(days=2)))
    for one in made:
        tally.add(Step((one,), 1, 1, one.last_at))
    result = tally.result(AT, complete=True)
    assert result.alert_count == len(coalesce(made, {SWEEP.rule.id: rhythm_of(SWEEP.rule)}))
    assert result.detection_count == len(made) == result.looked_count
    assert [day.day for day in result.days] == [date(2026, 3, 1), date(2026, 3, 2)]
    assert result.alerts_per_day == result.alert_count / 2


def test_nothing_stored_is_no_figure() -> None:
    result = Tally(SWEEP, Stretch(Scope(), None, None)).result(None, complete=True)
    assert (result.days, result.subjects, result.alert_count, result.from_at) == ((), (), 0, None)
