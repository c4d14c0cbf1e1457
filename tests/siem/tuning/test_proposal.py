from collections.abc import Callable
from datetime import timedelta

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.access import Principal, Role
from siem.incidents.model import Forbidden, NotFound, Refused, Verdict
from siem.incidents.queries import changes_of
from siem.tuning.conditions import Condition
from siem.tuning.proposal import Signature
from tests.siem.tuning.conftest import ANALYST, EXPORT, FAILURES, LEAD, NOW, SIGNED, Watch, export, failure

FALSE, TRUE = Verdict.FALSE_POSITIVE, Verdict.TRUE_POSITIVE_IMPACT
BACKUP = (Condition("source.ip", "192.0.2.7"),)


def backup(watch: Watch) -> None:
    """Two exports by the backup, closed as false, and a true one by a person from elsewhere."""
    watch.see(
        export("P-AAAAAAAAAA", source__ip="192.0.2.7", service__name="Dossier patient"),
        export("P-BBBBBBBBBB", source__ip="203.0.113.9", service__name="Dossier patient"),
        export("P-CCCCCCCCCC", source__ip="192.0.2.7", service__name="Dossier patient"),
    )
    watch.judge([FALSE, TRUE, FALSE])


def test_the_filter_hides_the_false_alerts_and_the_true_one_still_fires(watch: Watch) -> None:
    backup(watch)
    proposal = watch.tuning.propose(EXPORT, LEAD)
    assert proposal.conditions == BACKUP and proposal.holds
    assert [one.alert.subject for one in proposal.hides] == ["P-CCCCCCCCCC", "P-AAAAAAAAAA"]
    assert [(one.alert.subject, one.fires) for one in proposal.true] == [("P-BBBBBBBBBB", True)]
    assert (proposal.lost, proposal.unproved) == ((), ())


def test_what_is_written_is_a_sigma_filter_that_the_watch_loads_and_the_history_tells(watch: Watch) -> None:
    backup(watch)
    path = watch.write(EXPORT)
    (document,) = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    assert document["filter"] == {"rules": [EXPORT], "selection": {"source.ip": "192.0.2.7"}, "condition": "not selection"}
    assert document["logsource"] == {"product": "fhir", "service": "audit_event"}
    loaded = watch.load(())
    assert loaded.errors == () and watch.written == 1
    (added,) = loaded.filters_of(EXPORT)
    assert (added.owner, added.reason, added.last_day, added.own) == (SIGNED.owner, SIGNED.reason, SIGNED.expires, True)
    before = len(watch.alerts(EXPORT))
    watch.see(export("P-DDDDDDDDDD", source__ip="192.0.2.7"), export("P-EEEEEEEEEE", source__ip="203.0.113.9"))
    assert len(watch.alerts(EXPORT)) == before + 1
    with watch.database.reading() as connection:
        (change,) = changes_of(connection, "rule", [EXPORT])
    assert (change.field, change.new, change.actor, change.reason) == ("filter", path.name, LEAD.subject, SIGNED.reason)


def test_a_rule_already_tuned_is_tuned_for_what_is_left(watch: Watch) -> None:
    backup(watch)
    watch.write(EXPORT)
    assert watch.tuning.propose(EXPORT, LEAD).conditions == ()
    watch.see(export("P-FFFFFFFFFF", source__ip="192.0.2.8"))
    watch.incidents.close([watch.alerts(EXPORT)[-1].id], FALSE, "vu", LEAD)
    assert watch.tuning.propose(EXPORT, LEAD).conditions == (Condition("source.ip", "192.0.2.8"),)


def test_a_correlation_is_tuned_through_what_feeds_it(watch: Watch) -> None:
    watch.see(*(failure(address, f"P-{n}") for address in ("192.0.2.7", "203.0.113.9") for n in range(3)), apart=timedelta(minutes=1))
    watch.judge([FALSE, TRUE], FAILURES)
    proposal = watch.tuning.propose(FAILURES, LEAD)
    assert proposal.conditions == BACKUP and proposal.holds and [one.name for one in proposal.rules] == ["failed_login"]
    path = watch.write(FAILURES)
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["filter"]["rules"] == ["failed_login"]
    assert watch.load(()).errors == ()


def test_a_true_alert_whose_events_are_gone_is_told_and_not_counted_as_proved(watch: Watch) -> None:
    backup(watch)
    watch.events.take_back(2)
    proposal = watch.tuning.propose(EXPORT, LEAD)
    assert [one.alert.subject for one in proposal.unproved] == ["P-BBBBBBBBBB"] and proposal.lost == ()


def test_nothing_is_proposed_where_nothing_was_closed_as_false(watch: Watch) -> None:
    watch.see(export("P-AAAAAAAAAA", source__ip="192.0.2.7"))
    watch.judge([TRUE])
    proposal = watch.tuning.propose(EXPORT, LEAD)
    assert proposal.conditions == () and not proposal.holds
    with pytest.raises(Refused):
        watch.write(EXPORT)


def test_values_that_mean_something_in_sigma_are_written_as_themselves(watch: Watch) -> None:
    agent = r"probe*\?1\\*"
    watch.see(export("P-A", user_agent__original=agent), export("P-B", user_agent__original="probe-other"))
    watch.judge([FALSE, TRUE])
    proposal = watch.tuning.propose(EXPORT, LEAD)
    assert proposal.conditions == (Condition("user_agent.original", agent),) and proposal.holds


@pytest.mark.parametrize(
    ("actor", "rule", "shown", "signature", "refusal"),
    [
        (ANALYST, EXPORT, "", SIGNED, Forbidden),
        (LEAD, "no-such-rule", "", SIGNED, NotFound),
        (LEAD, "11111111-2222-4333-8444-555555555513", "", SIGNED, NotFound),
        (LEAD, EXPORT, "0" * 32, SIGNED, Refused),
        (LEAD, EXPORT, "", Signature(" ", "r", SIGNED.expires), Refused),
        (LEAD, EXPORT, "", Signature("o", "two\nlines", SIGNED.expires), Refused),
        (LEAD, EXPORT, "", Signature("o", "r" * 501, SIGNED.expires), Refused),
        (LEAD, EXPORT, "", Signature("o", "r", NOW.date() - timedelta(days=2)), Refused),
        (LEAD, EXPORT, "", Signature("o", "r", NOW.date() + timedelta(days=400)), Refused),
        (Principal("x", "X", frozenset({Role.DECLARANT}), frozenset({"0B0000005"})), EXPORT, "", SIGNED, Forbidden),
    ],
)
def test_what_may_not_be_written_leaves_no_file(
    watch: Watch, actor: Principal, rule: str, shown: str, signature: Signature, refusal: type[Exception]
) -> None:
    backup(watch)
    with pytest.raises(refusal):
        watch.tuning.write(rule, shown or watch.tuning.propose(EXPORT, LEAD).fingerprint, signature, actor)
    assert not watch.own.exists() and watch.written == 0


STORIES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("cd"), st.sampled_from([FALSE, TRUE, None])), min_size=1, max_size=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STORIES)
def test_whatever_was_judged_no_true_alert_is_lost(make_watch: Callable[[], Watch], stories: list[tuple[str, str, Verdict | None]]) -> None:
    watch = make_watch()
    events = [export(f"P-{n}", source__ip=ip, user_agent__original=agent) for n, (ip, agent, _) in enumerate(stories)]
    watch.see(*events)
    watch.judge([verdict for _, _, verdict in stories])
    proposal = watch.tuning.propose(EXPORT, LEAD)
    assert proposal.lost == ()
    if not proposal.holds:
        return
    watch.write(EXPORT)
    before = len(watch.alerts(EXPORT))
    watch.see(*events)
    raised = {alert.subject for alert in watch.alerts(EXPORT)[before:]}
    assert {f"P-{n}" for n, story in enumerate(stories) if story[2] is TRUE} <= raised
    hidden = {one.alert.subject for one in (*proposal.hides, *proposal.others) if one.hidden}
    assert {f"P-{n}" for n in range(len(stories))} - raised == hidden
