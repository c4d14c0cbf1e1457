from datetime import timedelta
from pathlib import Path

import pytest

from siem.detection import Detection, Limit
from siem.incidents.filters import AlertFilter
from siem.incidents.held import held_by
from siem.incidents.model import NotFound
from siem.incidents.service import Incidents
from siem.incidents.suppression import AlertPolicy
from tests.siem.console.world import ANALYST, NOW, RULES, World, detections, night


def test_what_a_silence_holds_is_told_by_person_and_address(tmp_path: Path) -> None:
    world = World(tmp_path)
    policy = AlertPolicy(Limit(1, 3600, 7200, ("user.id",)), timedelta(hours=72))
    incidents = Incidents(world.database, world.clock, RULES, alerting=policy)
    events = [event for event in night() if event.fields.get("source.ip") == "203.0.113.40"]
    (first,) = (one for one in detections(night()) if one.rule_id == "5f3b0000-0000-4000-8000-000000000003")
    # The same rule about the same person, by something else of the group: a second alert, if the rule were not silent.
    later = first.first_at + timedelta(minutes=5)
    again = [
        Detection(first.rule_id, "default", (*first.group, ("service.name", name)), at, first.last_at, ids, (), ())
        for name, at, ids in (("a", first.first_at, first.event_ids[:10]), ("b", later, first.event_ids[10:]))
    ]
    with world.database.transaction() as connection:
        incidents.absorb(connection, again, {event.id: event for event in events})
    (alert,) = incidents_of(world)
    with world.database.reading() as connection:
        (held,) = held_by(connection, ANALYST, alert)
        assert (held.user_id, held.source_ip, held.count) == ("P-4F7K2M9QXA", "203.0.113.40", 34)
        assert held.first_at is not None and held.last_at is not None and held.first_at < held.last_at < NOW
        with pytest.raises(NotFound):
            held_by(connection, ANALYST, "none")
    world.close()


def incidents_of(world: World) -> list[str]:
    return [alert.id for alert in world.incidents.alerts(ANALYST, AlertFilter()).items]
