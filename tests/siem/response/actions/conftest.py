"""What an action is given, from a watch with an incident."""

from dataclasses import dataclass

import pytest

from siem.access import WATCH
from siem.incidents.model import Incident
from siem.response.action import Context
from tests.siem.incidents.conftest import ANALYST
from tests.siem.response.conftest import Bench


@dataclass
class Given:
    bench: Bench
    incident: Incident

    def context(self, key: str = "run:step", reason: str = "", **arguments: str) -> Context:
        with self.bench.watch.database.reading() as conn:
            event_ids = self.bench.watch.incidents.event_ids(conn, self.incident.id)
        return Context(
            incident=self.incident,
            alerts=self.bench.watch.incidents.alerts_of(ANALYST, self.incident.id),
            key=key,
            arguments=arguments,
            actor=WATCH,
            reason=reason,
            now=self.bench.watch.now,
            timeout_seconds=5,
            event_ids=event_ids,
        )


@pytest.fixture
def given(bench: Bench) -> Given:
    return Given(bench, bench.incident())
