"""Rules become queries of other systems with our names of fields, and what a backend cannot express is said by rule."""

import json
import re
import sqlite3
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siem import conversion
from siem.cli import app
from siem.conversion import Wish, backends, convert
from siem.detection.documents import Document, read_documents
from siem.detection.folders import RuleFolder
from siem.detection.pipelines import product_pipelines
from siem.errors import OperationError

RULES = Path(__file__).parents[2] / "rules"
WINDOWS = """
title: A renamed whoami
id: 3f1b0d62-7f0b-4f3e-9c8e-000000000001
status: test
level: high
logsource: {product: windows, category: process_creation}
detection:
  selection: {OriginalFileName: whoami.exe}
  filter: {Image|endswith: '\\\\whoami.exe'}
  condition: selection and not filter
"""


def _read(path: Path) -> list[Document]:
    documents, errors = read_documents(path, RuleFolder(path.parent))
    assert not errors
    return documents


def _written(tmp_path: Path, text: str) -> list[Document]:
    (tmp_path / "rule.yml").write_text(text, "utf-8")
    return _read(tmp_path / "rule.yml")


@pytest.mark.parametrize("target", ["lucene", "eql", "esql", "opensearch_lucene", "open_search_ppl", "splunk", "sqlite"])
def test_every_rule_of_ours_is_a_query_of_each_backend_or_says_why_not(target: str) -> None:
    for path in sorted((RULES / "web").glob("*.yml")):
        documents = _read(path)
        converted = convert(documents, product_pipelines(), Wish(target))
        assert converted.queries or converted.refused, path
        assert all(str(path.name) in error.path and "cannot express" in error.problem for error in converted.refused)
        assert all("c-uri" not in query and "cs-method" not in query for query in converted.queries), f"{path} keeps names of no event"


def test_fields_have_the_names_of_the_pipeline_that_was_chosen_and_what_it_selects_is_asked_for(tmp_path: Path) -> None:
    documents = _written(tmp_path, WINDOWS)
    assert "windows, windows_ecs" in convert(documents, product_pipelines(), Wish("esql")).refused[0].problem
    (elastic,) = convert(documents, product_pipelines(), Wish("esql", pipeline="windows_ecs")).queries
    assert 'winlog.channel=="Microsoft-Windows-Sysmon/Operational"' in elastic and "process.executable" in elastic
    (splunk,) = convert(documents, product_pipelines(), Wish("splunk", pipeline="windows")).queries
    assert 'Image="*\\\\whoami.exe"' in splunk and 'EventID="1"' in splunk
    assert "does not read this log source" in convert(documents, product_pipelines(), Wish("splunk", pipeline="web")).refused[0].problem


def test_hours_of_a_zone_that_a_query_cannot_say_are_refused(tmp_path: Path) -> None:
    for line, count in (('"@timestamp|hour|gte": 22', 1), ("Image|contains: hour", 0)):
        written = WINDOWS.replace("detection:\n", f"detection:\n  when: {{{line}}}\n", 1) + "\nveilleur: {zone: Europe/Paris}\n"
        done = convert(_written(tmp_path, written), product_pipelines(), Wish("sqlite", pipeline="windows"))
        assert [error.field for error in done.refused] == ["veilleur.zone"] * count and len(done.queries) == 1 - count


def test_a_query_finds_on_another_engine_what_the_rule_says(tmp_path: Path) -> None:
    (query,) = convert(_written(tmp_path, WINDOWS), product_pipelines(), Wish("sqlite", pipeline="windows")).queries
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE logs (Channel, EventID, OriginalFileName, Image)")
        channel = "Microsoft-Windows-Sysmon/Operational"
        rows = [
            (channel, "1", "whoami.exe", r"C:\Temp\innocent.exe"),
            (channel, "1", "whoami.exe", r"C:\Windows\System32\whoami.exe"),
            (channel, "3", "whoami.exe", r"C:\Temp\innocent.exe"),
            ("Security", "1", "whoami.exe", r"C:\Temp\innocent.exe"),
        ]
        database.executemany("INSERT INTO logs VALUES (?, ?, ?, ?)", rows)
        found = database.execute(query.replace("<TABLE_NAME>", "logs")).fetchall()
    assert [row[3] for row in found] == [r"C:\Temp\innocent.exe"]


def test_a_correlation_is_converted_with_its_group_by_renamed_and_refused_where_the_backend_has_none() -> None:
    documents = _read(RULES / "web/nginx_scan.yml")
    (query,) = convert(documents, product_pipelines(), Wish("esql")).queries
    assert "source.ip" in query and "count_distinct(url.path)" in query
    refused = convert(documents, product_pipelines(), Wish("lucene")).refused
    assert refused and "correlation" in refused[0].problem


@pytest.mark.parametrize("target", ["esql", "open_search_ppl", "splunk"])
def test_what_a_correlation_says_of_fields_has_the_names_of_its_condition(tmp_path: Path, target: str) -> None:
    many = """---
title: Many
id: 3f1b0d62-7f0b-4f3e-9c8e-000000000002
correlation:
  type: value_count
  rules: [3f1b0d62-7f0b-4f3e-9c8e-000000000001]
  group-by: [Image]
  timespan: 5m
  condition: {field: OriginalFileName, gte: 2}
"""
    queries = convert(_written(tmp_path, WINDOWS + many), product_pipelines(), Wish(target, pipeline="windows_ecs")).queries
    assert "process.executable" in queries[0] and "process.pe.original_file_name" in queries[0]
    assert len(queries) == len(set(queries)) == 2 * 3
    assert not re.search(r"(?<!winlog.event_data.)\b(Image|OriginalFileName)\b", "\n".join(queries))


OFTEN = """
title: whoami
id: 3f1b0d62-7f0b-4f3e-9c8e-000000000004
logsource: {product: windows, category: process_creation}
detection:
  selection: {CommandLine|contains: whoami}
  condition: selection
---
title: Often
id: 3f1b0d62-7f0b-4f3e-9c8e-000000000003
correlation:
  type: event_count
  rules: [3f1b0d62-7f0b-4f3e-9c8e-000000000004]
  group-by: [Image, ComputerName]
  timespan: 5m
  condition: {gte: 3}
"""


def test_a_correlation_by_a_field_of_several_places_finds_on_another_engine_what_is_in_any_of_them(tmp_path: Path) -> None:
    queries = convert(_written(tmp_path, OFTEN), product_pipelines(), Wish("sqlite", pipeline="windows_ecs")).queries
    assert len(queries) == 2 * 2
    common = {"winlog.channel": "Microsoft-Windows-Sysmon/Operational", "event.code": "1", "winlog.computer_name": "srv"}
    # Two collectors, each with its own place for the program, and events that do not say which it was.
    programs = {"process.executable": "cmd.exe", "winlog.event_data.Image": "powershell.exe", "process.name": "nobody"}
    elsewhere = ["winlog.event_data.CommandLine", "winlog.event_data.ComputerName"]
    names = ["timestamp", *common, "process.command_line", *elsewhere, *programs]
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE logs ({})".format(", ".join(f'"{name}"' for name in names)))
        for second in range(3):
            for place, program in programs.items():
                row = {**common, "timestamp": f"2026-11-22 20:00:0{second}", "process.command_line": "whoami /all", place: program}
                marks = ", ".join("?" * len(names))
                database.execute(f"INSERT INTO logs VALUES ({marks})", [row.get(name) for name in names])
        found = [str(row) for query in queries for row in database.execute(query.replace("<TABLE_NAME>", "logs"))]
    assert sorted(("cmd.exe" in row, "powershell.exe" in row) for row in found) == [(False, True), (True, False)]


def test_a_target_or_format_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    documents = _written(tmp_path, WINDOWS)
    assert {"lucene", "esql", "splunk", "sqlite"} <= backends().keys()
    with pytest.raises(OperationError, match=r"esql.*veilleur\[convert\]"):
        convert(documents, product_pipelines(), Wish("qradar", pipeline="windows"))
    with pytest.raises(OperationError, match="dsl_lucene"):
        convert(documents, product_pipelines(), Wish("lucene", pipeline="windows", output_format="pdf"))


def test_without_pysigma_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sigma.plugins", None)
    result = CliRunner().invoke(app, ["rules", "convert", str(RULES / "web/nginx_scan.yml"), "-t", "esql"])
    assert result.exit_code == 2 and "pip install veilleur[convert]" in result.output


class _Broken:
    formats = {"default": "of a converter that fails"}

    def __init__(self, **_options: object) -> None:
        self.errors: list[object] = []

    def convert(self, _rules: object, _format: str) -> object:
        raise AttributeError("'NoneType' object has no attribute 'value'")


def test_a_converter_that_breaks_is_a_rule_that_cannot_be_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "backends", lambda: {"broken": _Broken})
    result = CliRunner().invoke(app, ["rules", "convert", str(RULES / "web/nginx_scan.yml"), "-t", "broken"])
    assert result.exit_code == 1
    assert "nginx_scan.yml:1" in result.output and "NoneType" in result.output and "Traceback" not in result.output


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["rules", "convert", *arguments])
    return result.exit_code, result.output


def test_files_are_queries_on_the_screen_and_wrong_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.yml").write_text("title: [", "utf-8")
    scanner = str(RULES / "web/nginx_scanner_agent.yml")
    status, said = _run(scanner, str(tmp_path / "broken.yml"), "-t", "esql")
    assert status == 1
    assert "user_agent.original" in said and "broken.yml:2" in said
    status, said = _run(scanner, "-t", "lucene", "-f", "kibana_ndjson")
    assert status == 0 and json.loads(said.splitlines()[-1])
    status, said = _run("nowhere.yml", "-t", "esql")
    assert status == 1 and "nowhere.yml" in said


def test_a_field_that_may_be_in_several_places_is_looked_for_in_each(tmp_path: Path) -> None:
    """In ECS, depending on the collector, the original name stands with the process, with the file, or as the event log wrote it."""
    rule = WINDOWS.replace("whoami.exe}", "whoami.exe, Signature|contains: Nobody}")
    (query,) = convert(_written(tmp_path, rule), product_pipelines(), Wish("sqlite", pipeline="windows_ecs")).queries
    places = ["process.pe.original_file_name", "file.pe.original_file_name", "winlog.event_data.OriginalFileName"]
    assert all(place in query for place in (*places, "winlog.event_data.Signature", "winlog.event_data.Image"))
    columns = [
        "winlog.channel",
        "event.code",
        *places,
        "winlog.event_data.Signature",
        "winlog.event_data.Image",
        "process.executable",
        "process.pe.company",
    ]
    columns += [name for name in re.findall(r"(?:process|file|winlog)[.][A-Za-z_.]+", query) if name not in columns]
    with sqlite3.connect(":memory:") as database:
        names = ", ".join(f'"{name}"' for name in dict.fromkeys(columns))
        database.execute(f"CREATE TABLE logs ({names})")
        for place in (*places, "process.pe.company"):
            row = {"winlog.channel": "Microsoft-Windows-Sysmon/Operational", "event.code": "1", place: "whoami.exe"}
            row |= {
                "winlog.event_data.Signature": "signed by Nobody",
                "process.executable": "C:/innocent.exe",
                "winlog.event_data.Image": "x",
            }
            database.execute(
                f"INSERT INTO logs ({', '.join(map(repr, row))}) VALUES ({', '.join('?' * len(row))})".replace("'", '"'), list(row.values())
            )
        found = database.execute(query.replace("<TABLE_NAME>", "logs")).fetchall()
    assert len(found) == len(places)


def test_what_cannot_be_converted_is_named_and_the_others_are_converted(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(WINDOWS, "utf-8")
    (tmp_path / "bad.yml").write_text(
        WINDOWS.replace("0001", "0002").replace("whoami.exe}\n  filter", "whoami.exe, A|near: b}\n  filter"), "utf-8"
    )
    over = OFTEN.replace("condition: {gte: 3}", "condition: {gte: 3, lte: 9}")
    (tmp_path / "range.yml").write_text(over, "utf-8")
    status, said = _run(*(str(tmp_path / f"{name}.yml") for name in ("bad", "good", "range")), "-t", "sqlite", "-p", "windows")
    assert status == 1
    assert "bad.yml:2: pySigma" in said and "range.yml:9: pySigma" in said
    assert "good.yml:" not in said
    assert "SELECT" in said


def test_lists_stand_for_placeholders_as_they_do_here(tmp_path: Path) -> None:
    rule = WINDOWS.replace("{OriginalFileName: whoami.exe}", "{OriginalFileName|expand: '%Tools%'}")
    documents = _written(tmp_path, rule)
    wish = Wish("sqlite", pipeline="windows", lists={"Tools": ("whoami.exe", "net*.exe")})
    (query,) = convert(documents, product_pipelines(), wish).queries
    assert "whoami.exe" in query and "net%.exe" in query
    (refused,) = convert(documents, product_pipelines(), Wish("sqlite", pipeline="windows")).refused
    assert "Tools" in refused.problem
