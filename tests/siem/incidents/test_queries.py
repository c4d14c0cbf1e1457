from siem.incidents.filters import AlertFilter, IncidentFilter
from siem.incidents.model import Severity
from tests.siem.incidents.conftest import (
    ANALYST,
    Watch,
    detect,
    make_event,
)


def test_lists_are_filtered_searched_and_paged(watch: Watch) -> None:
    watch.attack()
    scan = make_event("scan", 0, None, "198.51.100.9")
    watch.feed(detect("scan", scan), events=(scan,))
    listed = watch.incidents.alerts(ANALYST, AlertFilter(limit=2))
    assert (len(listed.items), listed.total) == (2, 6)
    assert listed.items[0].severity is Severity.HIGH
    assert watch.incidents.alerts(ANALYST, AlertFilter(text="198.51.100.9")).total == 1
    assert watch.incidents.alerts(ANALYST, AlertFilter(text="100%_")).total == 0
    assert watch.incidents.alerts(ANALYST, AlertFilter(severities=frozenset({Severity.LOW}))).total == 1
    assert watch.incidents.alerts(ANALYST, AlertFilter(assignee="")).total == 6
    assert watch.incidents.alerts(ANALYST, AlertFilter(assignee=ANALYST.subject)).total == 0
    assert watch.incidents.incidents(ANALYST, IncidentFilter(text="P-AAAAAAAAAA")).total == 1
