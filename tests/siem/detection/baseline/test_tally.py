from siem.detection.baseline.document import DAY, HOUR, Baseline, BaselineType
from siem.detection.baseline.sighting import Key, Sighting
from siem.detection.baseline.tally import Tally

ME: Key = ("P-1",)


def tally(*fields: str) -> Tally:
    return Tally(Baseline(BaselineType.OWN_MEDIAN, ("a",), ("user.id",), fields, per=DAY))


def test_a_match_counts_once_and_values_count_apart() -> None:
    matches, patients = tally(), tally("patient")
    for one in (matches, patients):
        for number, values in enumerate([("a",), ("b",), ("a",), ("b", "c")]):
            assert one.add(ME, Sighting(HOUR * number, f"e{number}", values, ())) == 0
        assert one.add(ME, Sighting(0, "e0", ("a",), ())) is None
    assert (matches.measure(0, ME), patients.measure(0, ME)) == (4, 3)
    assert matches.measure(0, ("P-2",)) == 0


def test_a_match_is_returned_once() -> None:
    made = tally()
    made.add(ME, Sighting(5, "b", (), ()))
    made.add(ME, Sighting(5, "a", (), ()))
    span = made.open[0][ME]
    assert [one.event_id for one in made.returned(ME, span)] == ["a", "b"]
    made.add(ME, Sighting(3, "c", (), ()))
    assert [one.event_id for one in made.returned(ME, span)] == ["c"]


def test_a_part_holds_an_hour_of_a_day_and_is_taken_back() -> None:
    made = tally("patient")
    for at in (0, HOUR // 2, HOUR, DAY):
        made.add(ME, Sighting(at, f"e{at}", ("x",), (("user_agent.original", "c"),)))
    made.returned(ME, made.open[0][ME])
    assert made.changed == {(ME, 0), (ME, 1), (ME, 24)}
    other = tally("patient")
    assert {other.restore(record) for record in made.everything()} == {0, 1}
    assert other.open[0][ME].unreturned == set()
    assert other.open[1][ME].unreturned == {f"e{DAY}"}
    assert (other.size, other.measure(0, ME)) == (4, 1)
    assert made.pack(ME, 5) is None


def test_spans_end_and_are_closed_whole_or_habit_by_habit() -> None:
    made = tally()
    for day in range(3):
        for user in ("P-1", "P-2"):
            made.add((user,), Sighting(day * DAY, f"{user}{day}", (), ()))
    assert list(made.ended(2 * DAY)) == [0, 1]
    assert made.close(0) == 2
    made.changed = set()
    assert made.close_some(1, 1) == 1
    assert made.changed == {(("P-1",), 24)}
    assert made.close_some(1, 5) == 1
    assert list(made.open) == [2]
    assert made.size == 2
