"""Golden files of the source windows, and what a rule finds in what it gives."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from siem.detection.engine import Engine
from siem.detection.load import load_rules
from siem.detection.pipelines import product_pipelines
from siem.sources import SOURCES
from tests.siem.sources.golden import check, logs, record, settings


@pytest.mark.parametrize("path", logs("windows"), ids=lambda path: path.stem)
def test_a_log_becomes_the_expected_events(path: Path, expected: Callable[[Path, str], None]) -> None:
    check("windows", path, expected)


DEFENDER = """
title: Malware that its process brings
id: 3f1b0d62-7f0b-4f3e-9c8e-000000000005
logsource: {product: windows, service: windefend}
detection:
  selection: {EventID: 1119, SourceName: Real-Time Protection, ThreatName|endswith: Test_File}
  condition: selection
"""


@pytest.mark.parametrize("kind", ["windows", "ecs"])
def test_what_defender_writes_with_spaces_is_found_under_the_names_of_rules(kind: str, tmp_path: Path) -> None:
    """«Source Name» of the event is not the name of its provider, which some collectors call SourceName."""
    data = {"Threat Name": "Virus:DOS/Test_File", "Source Name": "Real-Time Protection"}
    channel = "Microsoft-Windows-Windows Defender/Operational"
    flat = {"Channel": channel, "EventID": 1119, "SourceName": "Microsoft-Windows-Windows Defender", "SystemTime": "2026-11-22T21:00:00Z"}
    ecs = {"@timestamp": "2026-11-22T21:00:00Z", "event": {"code": "1119"}, "winlog": {"channel": channel, "event_data": data}}
    (tmp_path / "rule.yml").write_text(DEFENDER, "utf-8")
    (event,) = SOURCES[kind](settings(kind)).parse(record(kind, json.dumps({**flat, **data} if kind == "windows" else ecs)))
    (found,) = Engine(load_rules(tmp_path, sources=product_pipelines().fed_by({kind}))).evaluate([event])
    assert found.event_ids == (event.id,)
