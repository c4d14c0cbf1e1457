from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from siem.store import filter_hits
from siem.store.database import Database, metadata

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
WHERE = st.tuples(st.sampled_from(("probe", "backup")), st.sampled_from(("rule-a", "rule-b")), st.sampled_from(("here", "there")))
BATCHES = st.lists(st.dictionaries(WHERE, st.tuples(st.integers(1, 50), st.integers(0, 90).map(lambda n: AT + timedelta(minutes=n)))))


@given(BATCHES)
def test_totals_are_the_sum_of_the_batches_and_the_latest_instant(batches: list[dict[tuple[str, str, str], tuple[int, datetime]]]) -> None:
    database = Database("sqlite://")
    metadata.create_all(database.engine, tables=[filter_hits.filter_hits])
    with database.transaction() as connection:
        for batch in batches:
            filter_hits.add(connection, dict(batch))
        read = {tenant: filter_hits.read(connection, tenant) for tenant in (None, "here", "there")}
        found = {(one.filter, one.rule_id, one.tenant): (one.count, one.last_at) for one in read[None]}
    places = {where for batch in batches for where in batch}
    assert found == {
        where: (sum(batch[where][0] for batch in batches if where in batch), max(batch[where][1] for batch in batches if where in batch))
        for where in places
    }
    assert all(read[tenant] == [one for one in read[None] if one.tenant == tenant] for tenant in ("here", "there"))
    database.close()


def test_the_total_is_of_the_tenant_the_filters_and_the_rules_asked_for() -> None:
    database = Database("sqlite://")
    metadata.create_all(database.engine, tables=[filter_hits.filter_hits])
    with database.transaction() as connection:
        filter_hits.add(connection, {("a", "r1", "t"): (2, None), ("a", "r2", "t"): (3, None), ("b", "r1", "t"): (5, None)})
        filter_hits.add(connection, {("a", "r1", "u"): (70, None)})
        assert filter_hits.total(connection, "t", ["a", "b"]) == 10
        assert filter_hits.total(connection, "t", ["a"], ["r1"]) == 2
        assert filter_hits.total(connection, "u", ["a", "b"]) == 70
        assert filter_hits.total(connection, "t", []) == 0
    database.close()
