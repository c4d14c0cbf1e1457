from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from siem.store import filter_hits
from siem.store.database import Database, metadata

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
WHERE = st.tuples(st.sampled_from(("probe", "backup")), st.sampled_from(("rule-a", "rule-b")))
BATCHES = st.lists(st.dictionaries(WHERE, st.tuples(st.integers(1, 50), st.integers(0, 90).map(lambda n: AT + timedelta(minutes=n)))))


@given(BATCHES)
def test_totals_are_the_sum_of_the_batches_and_the_latest_instant(batches: list[dict[tuple[str, str], tuple[int, datetime]]]) -> None:
    database = Database("sqlite://")
    metadata.create_all(database.engine, tables=[filter_hits.filter_hits])
    with database.transaction() as connection:
        for batch in batches:
            filter_hits.add(connection, dict(batch))
        found = {(one.filter, one.rule_id): (one.count, one.last_at) for one in filter_hits.read(connection)}
    places = {where for batch in batches for where in batch}
    assert found == {
        where: (sum(batch[where][0] for batch in batches if where in batch), max(batch[where][1] for batch in batches if where in batch))
        for where in places
    }
    database.close()


def test_the_total_is_of_the_filters_and_rules_asked_for() -> None:
    database = Database("sqlite://")
    metadata.create_all(database.engine, tables=[filter_hits.filter_hits])
    with database.transaction() as connection:
        filter_hits.add(connection, {("a", "r1"): (2, None), ("a", "r2"): (3, None), ("b", "r1"): (5, None)})
        assert filter_hits.total(connection, ["a", "b"]) == 10
        assert filter_hits.total(connection, ["a"], ["r1"]) == 2
        assert filter_hits.total(connection, []) == 0
    database.close()
