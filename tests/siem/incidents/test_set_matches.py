from dataclasses import replace
from datetime import timedelta

from siem.incidents import set_matches
from tests.siem.incidents.conftest import NIGHT, Watch, detect, make_event


def test_the_latest_match_of_each_set_is_remembered_in_each_tenant_in_whatever_order_they_come(watch: Watch) -> None:
    late, early = make_event("b", 9), make_event("a", 5)

    def listed(event: object, sets: str, tenant: str = "default") -> object:
        made = detect("glass", event)  # type: ignore[arg-type]
        return replace(made, tenant=tenant, values=(*made.values, ("indicator", "x"), ("set", sets)))

    watch.feed(listed(late, "cert, partenaire"), events=(late,))  # type: ignore[arg-type]
    watch.feed(listed(early, "cert"), detect("glass", early), events=(early,))  # type: ignore[arg-type]
    with watch.database.transaction() as connection:
        set_matches.note(connection, [listed(early, "cert", "other")])  # type: ignore[list-item]
        assert set_matches.read(connection, "default") == dict.fromkeys(("cert", "partenaire"), NIGHT + timedelta(minutes=9))
        assert set_matches.read(connection, "other") == {"cert": NIGHT + timedelta(minutes=5)}
