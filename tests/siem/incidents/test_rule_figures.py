from siem.incidents.filters import AlertFilter
from siem.incidents.model import Verdict
from siem.incidents.rule_figures import RuleFigures, by_rule
from tests.siem.incidents.conftest import ANALYST, ELSEWHERE, Watch, detect, make_event


def test_what_people_said_of_a_rules_alerts_is_counted(watch: Watch) -> None:
    verdicts = [
        Verdict.FALSE_POSITIVE,
        Verdict.FALSE_POSITIVE,
        Verdict.TRUE_POSITIVE_IMPACT,
        Verdict.LEGITIMATE,
        Verdict.UNDETERMINED,
        None,
    ]
    events = [make_event(f"e{number}", number * 600, f"P-{number}") for number in range(len(verdicts))]
    watch.feed(*(detect("glass", event) for event in events), detect("export", events[0]), events=tuple(events))
    found = watch.incidents.alerts(ANALYST, AlertFilter(rule_id="glass", order="oldest")).items
    for alert, verdict in zip(found, verdicts, strict=True):
        if verdict is not None:
            watch.incidents.close([alert.id], verdict, "vu", ANALYST)
    with watch.database.reading() as connection:
        figures = by_rule(connection, ANALYST)
        assert by_rule(connection, ELSEWHERE) == {}
    glass = figures["glass"]
    assert (glass.alert_count, glass.judged_count, glass.false_count, glass.false_share) == (6, 4, 2, 0.5)
    assert glass.last_at == events[-1].at
    assert (figures["export"].alert_count, figures["export"].false_share) == (1, None)


def test_a_rule_that_never_fired_has_no_share() -> None:
    assert RuleFigures().false_share is None and RuleFigures().judged_count == 0
