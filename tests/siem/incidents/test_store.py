from sqlalchemy import func, select

from siem.incidents.store import EVENT_IDS_SHOWN, actors, event_ids_of, insert_missing, names_of, remember_name
from tests.siem.incidents.conftest import ANALYST, Watch, detect, make_event


def test_a_name_is_kept_as_last_seen(watch: Watch) -> None:
    with watch.database.transaction() as conn:
        for name in ("Claire Martin", "Claire Martin", "Claire Martin-Essai"):
            remember_name(conn, "default", "s1", name)
        remember_name(conn, "other", "s1", "Autre")
        assert names_of(conn, "default") == {"s1": "Claire Martin-Essai"}


def test_inserting_what_is_there_changes_nothing(watch: Watch) -> None:
    row = {"tenant": "default", "subject": "s", "name": "n"}
    with watch.database.transaction() as conn:
        insert_missing(conn, actors, [])
        insert_missing(conn, actors, [row, row])
        insert_missing(conn, actors, [row | {"name": "other"}])
        assert conn.scalar(select(func.count()).select_from(actors)) == 1
        assert names_of(conn, "default") == {"s": "n"}


def test_an_alert_hands_out_its_first_events_and_counts_them_all(watch: Watch) -> None:
    events = [make_event(f"e{n:05d}", n / 100) for n in range(EVENT_IDS_SHOWN + 5)]
    alert_id = watch.feed(detect("sweep", *events), events=tuple(events)).new_alerts[0]
    alert = watch.incidents.alert(ANALYST, alert_id)
    assert alert.count == EVENT_IDS_SHOWN + 5
    assert alert.event_ids == tuple(event.id for event in events[:EVENT_IDS_SHOWN])
    with watch.database.reading() as conn:
        assert event_ids_of(conn, alert_id, 2) == ("e00000", "e00001")
