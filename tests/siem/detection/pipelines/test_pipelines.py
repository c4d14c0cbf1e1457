import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from siem.detection import Detection
from siem.detection import pipelines as module
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.pipelines import Pipeline, Pipelines, load_pipelines, product_pipelines
from siem.errors import DataError
from siem.event import FIELDS, Event, Fields, RawRecord
from siem.sources import SOURCES
from siem.sources.source import Source, SourceSettings

START = datetime(2026, 11, 25, tzinfo=UTC)
AUDIT = """\
name: windows_audit
title: Process creation as the Security log tells it
fields:
  Image: NewProcessName
  User: [SubjectUserName, TargetUserName]
subject: host.name
logsources:
  - product: windows
    category: process_creation
    when: {Channel: Security, EventID: 4688}
"""


def written(folder: Path, text: str) -> Pipelines:
    folder.mkdir(exist_ok=True)
    (folder / "own.yml").write_text(text, encoding="utf-8")
    return load_pipelines(folder)


def test_the_products_pipelines_have_no_fault_and_select_in_lower_case() -> None:
    found = product_pipelines()
    assert found.errors == ()
    assert {source.pipeline for source in found.sources} == {"idp", "fhir", "caep", "web", "windows", "windows_ecs"}
    for source in found.sources:
        assert source.select
        assert all(value == value.lower() for values in source.select.values() for value in values)
        assert source.subject in FIELDS or source.subject == "host.name"
        if source.known:
            assert all(name in source.known for names in source.fields.values() for name in names)


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        ({"product": "veilleur", "service": "idp"}, [{"event.dataset": {"idp.audit"}}]),
        ({"product": "nginx", "category": "webserver"}, [{"event.dataset": {"nginx.access", "nginx.ingress_controller"}}]),
        (
            {"product": "windows", "category": "process_creation"},
            [
                {"Channel": {"microsoft-windows-sysmon/operational"}, "EventID": {"1"}},
                {"winlog.channel": {"microsoft-windows-sysmon/operational"}, "event.code": {"1"}},
            ],
        ),
        ({"product": "windows", "category": "of_nothing"}, []),
    ],
    ids=["idp", "nginx", "windows", "nothing"],
)
def test_what_a_rule_says_of_its_log_leads_to_events(wanted: dict[str, str], selected: list[dict[str, set[str]]]) -> None:
    assert [dict(source.select) for source in product_pipelines().sources if source.agrees(wanted)] == selected


def test_an_operators_pipeline_is_added_and_the_same_name_replaces(tmp_path: Path) -> None:
    wanted = {"product": "windows", "category": "process_creation"}
    added = written(tmp_path / "own", AUDIT)
    assert added.errors == ()
    (last,) = [source for source in added.sources if source.agrees(wanted)][2:]
    assert (dict(last.select), last.event_names("Image")) == ({"Channel": {"security"}, "EventID": {"4688"}}, ("NewProcessName",))
    assert "NewProcessName" in added.names
    replaced = written(tmp_path / "own", AUDIT.replace("windows_audit", "windows"))
    assert [source.pipeline for source in replaced.sources if source.agrees(wanted)] == ["windows", "windows_ecs"]
    assert load_pipelines(tmp_path / "gone") == product_pipelines()


def test_a_rule_is_compiled_for_the_shapes_that_sources_give_and_for_one_where_none_does(tmp_path: Path) -> None:
    (tmp_path / "story.yml").write_text(STORY, encoding="utf-8")

    def pipelines(*types: str) -> list[list[str]]:
        loaded = load_rules(tmp_path, sources=product_pipelines().fed_by(types))
        return [[variant.sources[0].pipeline for variant in one.variants] for one in loaded.singles]

    assert pipelines("windows", "ecs") == [["windows", "windows_ecs"]] * 2
    assert pipelines("ecs", "idp") == [["windows_ecs"]] * 2
    assert pipelines("idp") == [["windows"]] * 2


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("name: windows_audit", "name: Windows Audit", 1, "name"),
        ("title: Process", "titel: Process", 1, "title"),
        ("  Image: NewProcessName", "  Image: {}", 4, "fields.Image.0"),
        ("    category: process_creation", "    kategory: process_creation", 9, "logsources.0.kategory"),
        ("  - product: windows\n    category: process_creation\n    when", "  - when", 8, "logsources.0"),
        ("when: {Channel: Security, EventID: 4688}", "when: {Channel: []}", 10, "logsources.0.when.Channel"),
        ("logsources:", "like: nothing\nlogsources:", 7, "like"),
        ("name: windows_audit", "name: [windows_audit", 2, ""),
    ],
    ids=["name", "title", "field", "key", "no log source", "no value", "like", "no YAML"],
)
def test_a_fault_is_named_with_file_line_and_field_and_the_others_hold(tmp_path: Path, old: str, new: str, line: int, field: str) -> None:
    found = written(tmp_path / "own", AUDIT.replace(old, new))
    assert found.errors
    assert (found.errors[0].path, found.errors[0].line, found.errors[0].field) == ("own/own.yml", line, field) or (
        ("own/own.yml", line, field) in [(error.path, error.line, error.field) for error in found.errors]
    )
    assert found.sources == product_pipelines().sources


def test_the_schema_for_editors_is_that_of_the_code(expected: Callable[[Path, str], None]) -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Pipeline.model_json_schema()}
    expected(Path(module.__file__).with_name("schema.json"), json.dumps(schema, ensure_ascii=False, indent=1) + "\n")


# Correlations read the same fields as the rules that feed them: pySigma's issues 221 and 384 are the precedents.

STORY = """\
title: A process
id: 00000000-0000-4000-8000-000000000001
name: a_process
logsource: {product: windows, category: process_creation}
detection:
  selection:
    Image|endswith: .exe
  condition: selection
---
title: A connection
id: 00000000-0000-4000-8000-000000000002
name: a_connection
logsource: {product: windows, category: network_connection}
detection:
  selection:
    DestinationPort: 4444
  condition: selection
---
title: Many programs of one person
id: 00000000-0000-4000-8000-000000000003
correlation:
  type: value_count
  rules: [a_process]
  group-by: [User]
  timespan: 5m
  condition: {field: Image, gte: 2}
---
title: A process that connects
id: 00000000-0000-4000-8000-000000000004
correlation:
  type: temporal_ordered
  rules: [a_process, a_connection]
  group-by: [program]
  timespan: 5m
  aliases:
    program: {a_process: Image, a_connection: Image}
"""
MANY, CONNECTS = (f"00000000-0000-4000-8000-00000000000{number}" for number in (3, 4))
SYSMON = "Microsoft-Windows-Sysmon/Operational"


def flat(number: int, image: str, **more: str | int) -> Fields:
    return {"Channel": SYSMON, "EventID": number, "Image": image, "User": "P-ONE", **more}


def collected(number: int, image: str, **more: str | int) -> Fields:
    renamed = {f"winlog.event_data.{name}": value for name, value in more.items()}
    return {
        "winlog.channel": SYSMON,
        "event.code": str(number),
        "process.executable": image,
        "winlog.event_data.User": "P-ONE",
        **renamed,
    }


@pytest.fixture
def story(tmp_path: Path) -> Ruleset:
    (tmp_path / "story.yml").write_text(STORY, encoding="utf-8")
    loaded = load_rules(tmp_path)
    assert loaded.errors == ()
    return loaded


@pytest.mark.parametrize("shape", [flat, collected])
def test_a_correlation_groups_counts_and_joins_by_the_fields_of_each_source(story: Ruleset, shape: Callable[..., Fields]) -> None:
    fields = [shape(1, "a.exe"), shape(1, "b.exe"), shape(3, "b.exe", DestinationPort=4444)]
    events = [Event(f"e{place}", START + timedelta(seconds=place), "s", "default", one) for place, one in enumerate(fields)]
    engine = Engine(story)
    found: dict[str, Detection] = {one.rule_id: one for one in [*engine.evaluate(events), *engine.flush()]}
    assert found[MANY].group == (("User", "P-ONE"),)
    assert found[MANY].event_ids == ("e0", "e1")
    assert found[CONNECTS].group == (("program", "b.exe"),)
    assert found[CONNECTS].event_ids == ("e1", "e2")
    real = {name for one in fields for name in one}
    assert {"process.executable", "Image"} <= set(found[CONNECTS].matched_fields)
    assert real & set(found[MANY].matched_fields)


def test_events_of_both_shapes_meet_in_one_correlation(story: Ruleset) -> None:
    events = [
        Event("flat", START, "one", "default", flat(1, "a.exe")),
        Event("ecs", START + timedelta(seconds=1), "two", "default", collected(1, "b.exe")),
    ]
    engine = Engine(story)
    found = {one.rule_id: one for one in [*engine.evaluate(events), *engine.flush()]}
    assert found[MANY].event_ids == ("flat", "ecs")


def test_a_value_is_found_in_any_of_the_fields_that_may_hold_it_and_absent_only_if_in_none(tmp_path: Path) -> None:
    rule = """\
title: {0}
id: 00000000-0000-4000-8000-00000000000{1}
logsource: {{product: windows, category: process_creation}}
detection:
  selection:
    {2}
  condition: selection
"""
    conditions = ["sha1: abc", "sha1: null", "sha1|exists: false", "sha1|exists: true", "sha1|neq: abc", "sha1|fieldref: Image"]
    for number, condition in enumerate(conditions):
        (tmp_path / f"{number}.yml").write_text(rule.format(condition.replace(":", ""), number, condition), encoding="utf-8")
    loaded = load_rules(tmp_path)
    assert loaded.errors == ()

    def matching(**more: str) -> set[str]:
        engine = Engine(loaded)
        fields: Fields = {"winlog.channel": SYSMON, "event.code": "1", **{name.replace("_", "."): value for name, value in more.items()}}
        return {loaded.rules[one.rule_id].title for one in engine.evaluate([Event("e", START, "s", "default", fields)])}

    assert matching() == {"sha1 null", "sha1|exists false", "sha1|neq abc"}
    assert matching(process_hash_sha1="ABC") == {"sha1 abc", "sha1|exists true"}
    assert matching(file_hash_sha1="abc") == {"sha1 abc", "sha1|exists true"}
    assert matching(file_hash_sha1="x", process_executable="X") == {"sha1|exists true", "sha1|neq abc", "sha1|fieldref Image"}


@pytest.mark.parametrize(
    ("group_by", "field", "place"),
    [("akshun", "event.action", "correlation.group-by"), ("user.id", "akshun", "correlation.condition.field")],
)
def test_a_correlation_over_a_field_that_no_source_has_is_refused(tmp_path: Path, group_by: str, field: str, place: str) -> None:
    text = f"""\
title: A login
id: 00000000-0000-4000-8000-000000000001
name: a_login
logsource: {{product: veilleur, service: idp}}
detection:
  selection: {{event.action: login.failed}}
  condition: selection
---
title: Many
id: 00000000-0000-4000-8000-000000000002
correlation:
  type: value_count
  rules: [a_login]
  group-by: [{group_by}]
  timespan: 5m
  condition: {{field: {field}, gte: 2}}
"""
    (tmp_path / "many.yml").write_text(text, encoding="utf-8")
    (error,) = load_rules(tmp_path).errors
    assert (error.field, error.problem) == (place, "the rule «a_login» has no field «akshun»")


ENDED = """\
title: Sessions ended by an administrator
id: 5f3b0000-0000-4000-8000-0000000000aa
logsource: {product: openid, category: authentication, service: caep}
detection:
  ended: {event_type|endswith: /session-revoked, reason|startswith: 'admin:'}
  condition: ended
"""


def test_a_rule_on_security_events_reads_what_the_source_makes_of_them(tmp_path: Path) -> None:
    """The signed tokens of the source's golden log, through its parser."""
    (tmp_path / "ended.yml").write_text(ENDED, encoding="utf-8")
    ruleset = load_rules(tmp_path, sources=product_pipelines().sources)
    assert not ruleset.errors and ruleset.rules["5f3b0000-0000-4000-8000-0000000000aa"].subject == "user.id"
    source = SOURCES["caep"](SourceSettings("signals", "caep", "Fournisseur", http=True))
    lines = (Path(__file__).parents[2] / "sources" / "caep" / "events.log").read_bytes().splitlines()
    events = [event for number, line in enumerate(lines) for event in _parsed(source, number, line)]
    expected = [
        one for one in events if one.fields["event.action"] == "caep.session_revoked" and "admin" in str(one.fields["event.reason"])
    ]
    found = Engine(ruleset).evaluate(events)
    assert expected and [one.event_ids for one in found] == [(one.id,) for one in expected]
    (tmp_path / "ended.yml").write_text(ENDED.replace("reason|", "subject_type|"), encoding="utf-8")
    assert "subject_type" in str(load_rules(tmp_path, sources=product_pipelines().sources).errors[0])


def _parsed(source: Source, number: int, line: bytes) -> Sequence[Event]:
    try:
        return source.parse(RawRecord("signals", str(number), START, line))
    except DataError:
        return ()


def test_a_rule_on_the_providers_log_does_not_judge_its_security_events() -> None:
    idp, caep = product_pipelines().of("idp"), product_pipelines().of("caep")
    assert {next(iter(one.select.values())) for one in (*idp, *caep)} == {frozenset({"idp.audit"}), frozenset({"caep.event"})}
