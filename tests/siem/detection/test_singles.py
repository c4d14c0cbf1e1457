from datetime import UTC, datetime
from pathlib import Path

from siem.detection.load import load_rules
from siem.detection.match import Matcher
from siem.detection.predicates import Renamed, View
from siem.detection.profile import Profiles
from siem.detection.singles import detection_of
from siem.event import Event

AT = datetime(2026, 11, 22, 20, tzinfo=UTC)
RULE = """
title: Scan
id: 00000000-0000-4000-8000-000000000001
logsource: {category: webserver, product: nginx}
detection: {path: {cs-uri-stem: /admin}, condition: path}
veilleur: {titre: Balayage, resume: "{cs-method} depuis {c-ip}, {cs-referer}.", subject: c-ip}
"""


def test_a_detection_names_fields_as_the_rule_does_and_takes_values_from_the_event(tmp_path: Path) -> None:
    (tmp_path / "scan.yml").write_text(RULE, encoding="utf-8")
    ruleset = load_rules(tmp_path)
    fields = {"event.dataset": "nginx.access", "url.path": "/admin", "source.ip": "192.0.2.1", "http.request.method": ["GET", "POST"]}
    event = Event("e1", AT, "web", "north", fields)
    view = View(event.fields, event.at)
    (candidate,) = Matcher(ruleset.singles, Profiles(ruleset.rules).tallies).match_slowly(view)
    found = detection_of(candidate, event, Renamed(view.exact, candidate.variant.event_names), ("cs-method", "cs-referer"))
    assert (found.rule_id, found.tenant, found.event_ids) == (ruleset.singles[0].rule.id, "north", ("e1",))
    assert (found.first_at, found.last_at) == (AT, AT)
    assert found.group == (("c-ip", "192.0.2.1"),)
    assert dict(found.values) == {"c-ip": "192.0.2.1", "cs-method": "GET, POST", "cs-referer": ""}
    assert found.matched_fields == ("url.path",)
