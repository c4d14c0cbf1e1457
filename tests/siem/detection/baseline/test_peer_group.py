"""The edges of «much more than the peers»; that the whole agrees with its definition is in test_habits."""

import random
import statistics

from siem.detection.baseline.document import DAY, read_baseline
from siem.detection.baseline.peer_group import PeerGroup, percentile_without
from siem.detection.baseline.sighting import Sighting

SECTION = {"type": "peer_group", "rules": ["a"], "group-by": "user.id", "peers": "job", "minimum": 3, "factor": 3, "floor": 6}


def keeper(**changes: object) -> PeerGroup:
    return PeerGroup(read_baseline({**SECTION, **changes}))


def work(made: PeerGroup, user: str, count: int, job: str = "nurse", day: int = 0, begin: int = 0) -> None:
    for number in range(begin, begin + count):
        made.add((user, job), Sighting(day * DAY + number, f"{user}-{day}-{number}", (), ()))


def test_it_says_how_much_and_what_is_usual_among_how_many() -> None:
    made = keeper()
    for user, count in (("a", 1), ("b", 2), ("c", 3), ("me", 6)):
        work(made, user, count)
    assert made.settle(DAY - 1) == [], "the day is not over"
    (found,) = made.settle(DAY)
    assert found.key == ("me", "nurse")
    assert dict(found.facts) == {"count": "6", "usual": "2", "limit": "6", "peers": "3"}
    assert made.settle(2 * DAY) == []


def test_too_few_peers_say_nothing() -> None:
    made = keeper()
    for user, count in (("a", 1), ("b", 2), ("me", 60)):
        work(made, user, count)
    work(made, "c", 1, job="doctor")
    assert made.settle(DAY) == []


def test_who_did_nothing_that_day_is_no_peer() -> None:
    made = keeper()
    for user in ("a", "b", "c"):
        work(made, user, 1, day=1)
    work(made, "me", 60)
    assert made.settle(3 * DAY) == []


def test_the_cap_is_told_at_once() -> None:
    made = keeper(cap=8)
    work(made, "me", 8)
    (found,) = made.settle(0)
    assert dict(found.facts) == {"count": "8", "usual": "…", "limit": "8", "peers": "…"}
    work(made, "me", 1, begin=8)
    (more,) = made.settle(0)
    assert [one.event_id for one in more.sightings] == ["me-0-8"]


def test_a_day_is_forgotten_and_shed() -> None:
    made = keeper()
    work(made, "a", 4)
    work(made, "b", 4, day=1)
    made.settle(DAY)
    made.forget(DAY)
    assert made.size == 4
    assert made.shed(3) == 4
    assert made.settle(5 * DAY) == []


def test_state_is_taken_back() -> None:
    made = keeper(cap=8)
    for user, count in (("a", 1), ("b", 2), ("c", 3), ("me", 8)):
        work(made, user, count)
    assert len(made.settle(0)) == 1
    other = keeper(cap=8)
    for record in made.changed():
        other.restore(record)
    assert other.size == 14
    assert other.settle(DAY) == [], "returned before the restart"
    work(other, "me", 1, begin=8)
    assert [one.event_id for found in other.settle(DAY) for one in found.sightings] == ["me-0-8"]


def test_a_percentile_leaves_one_out() -> None:
    rng = random.Random(5)
    for _ in range(200):
        numbers = sorted(float(rng.randint(0, 9)) for _ in range(rng.randint(3, 12)))
        left_out = rng.randrange(len(numbers))
        others = numbers[:left_out] + numbers[left_out + 1 :]
        assert percentile_without(numbers, left_out, 50) == statistics.median(others)
        quarters = statistics.quantiles(others, n=4, method="inclusive")
        assert abs(percentile_without(numbers, left_out, 75) - quarters[2]) < 1e-9
        assert (percentile_without(numbers, left_out, 0), percentile_without(numbers, left_out, 100)) == (others[0], others[-1])
    assert percentile_without([1.0, 7.0], 1, 95) == 1.0
