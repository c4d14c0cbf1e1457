from datetime import timedelta

from siem.incidents.filters import Figures
from tests.siem.incidents.conftest import ANALYST, NIGHT, NOW, Watch, only


def test_delays_are_read_from_the_history(watch: Watch) -> None:
    watch.attack()
    for state in ("qualification", "containment", "eradication", "recovery", "review", "closed"):
        watch.now += timedelta(minutes=10)
        watch.incidents.move(only(watch).id, state, "fait", ANALYST)
    assert watch.incidents.figures(ANALYST, NIGHT, watch.now) == Figures(
        incident_count=1,
        alert_count=5,
        detect_seconds=(NOW - NIGHT).total_seconds(),
        acknowledge_seconds=600,
        contain_seconds=1800,
        close_seconds=3600,
        verdicts={"undetermined": 5},
    )


def test_a_period_without_incident_has_no_delay(watch: Watch) -> None:
    watch.attack()
    figures = watch.incidents.figures(ANALYST, NIGHT - timedelta(days=2), NIGHT - timedelta(days=1))
    assert (figures.incident_count, figures.alert_count, figures.detect_seconds, figures.verdicts) == (0, 0, None, {})
