from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from siem.event import FIELDS, Fields, Kind
from siem.tuning.conditions import MOST_CONDITIONS, TUNABLE, Condition, smallest

PROBE = "192.0.2.7"


def event(**fields: object) -> Fields:
    return {name.replace("__", "."): value for name, value in fields.items()}  # type: ignore[misc]


def test_every_tunable_field_is_one_of_an_event_that_a_filter_can_name() -> None:
    assert [name for name in TUNABLE if FIELDS.get(name) in (None, Kind.FLOAT)] == []


def test_a_rule_about_windows_is_tuned_by_what_windows_says() -> None:
    made = {"EventID": 1, "Image": r"C:\Windows\System32\whoami.exe", "Computer": "pc-7"}
    false = [[{**made, "ParentImage": r"C:\Outils\inventaire.exe", "Computer": f"pc-{number}"}] for number in range(3)]
    true = [[{**made, "ParentImage": r"C:\Windows\System32\cmd.exe"}]]
    assert smallest(false, true) == (Condition("ParentImage", r"C:\Outils\inventaire.exe"),)


def test_one_condition_is_enough_where_one_tells_them_apart() -> None:
    false = [[event(source__ip=PROBE, user__id=f"P-{number}", event__action="login.failed")] for number in range(3)]
    true = [[event(source__ip="203.0.113.9", user__id="P-1", event__action="login.failed")]]
    assert smallest(false, true) == (Condition("source.ip", PROBE),)


def test_two_are_taken_where_each_alone_would_hide_a_true_one() -> None:
    false = [[event(source__ip=PROBE, user_agent__original="probe/1")]]
    true = [[event(source__ip=PROBE, user_agent__original="curl")], [event(source__ip="203.0.113.9", user_agent__original="probe/1")]]
    assert smallest(false, true) == (Condition("source.ip", PROBE), Condition("user_agent.original", "probe/1"))


def test_false_alerts_of_two_causes_are_covered_one_cause_at_a_time() -> None:
    false = [[event(source__ip=PROBE)], [event(source__ip=PROBE)], [event(source__ip="192.0.2.8")]]
    assert smallest(false, []) == (Condition("source.ip", PROBE),)


def test_what_the_rule_asks_for_is_no_circumstance() -> None:
    false = [[event(event__action="record.exported")]]
    assert smallest(false, [], asked=["event.action"]) == ()
    assert smallest(false, [[event(event__action="record.read")]], asked=["event.action"]) == (
        Condition("event.action", "record.exported"),
    )


def test_nothing_is_proposed_where_true_and_false_look_the_same() -> None:
    assert smallest([[event(source__ip=PROBE)]], [[event(source__ip=PROBE)]]) == ()
    assert smallest([], []) == () and smallest([[]], []) == ()


VALUES = st.sampled_from("ab")
EVENTS = st.fixed_dictionaries(
    {}, optional={"source.ip": VALUES, "user.id": VALUES, "user.roles": st.lists(VALUES, min_size=1), "url.path": VALUES}
)
ALERTS = st.lists(st.lists(EVENTS, min_size=1, max_size=3), max_size=4)


@given(ALERTS, ALERTS)
def test_no_other_set_covers_more_or_as_much_with_fewer(false: list[list[Fields]], true: list[list[Fields]]) -> None:
    found = smallest(false, true)

    def covered(conditions: tuple[Condition, ...]) -> int:
        if not conditions or any(all(one.holds(fields) for one in conditions) for alert in true for fields in alert):
            return 0
        return sum(all(one.holds(fields) for fields in alert for one in conditions) for alert in false)

    every = [Condition(name, value) for name in ("source.ip", "user.id", "user.roles", "url.path") for value in "ab"]
    sets = [chosen for size in range(1, MOST_CONDITIONS + 1) for chosen in combinations(every, size)]
    most = max(map(covered, sets), default=0)
    assert covered(found) == most
    assert len(found) == (min(len(chosen) for chosen in sets if covered(chosen) == most) if most else 0)
