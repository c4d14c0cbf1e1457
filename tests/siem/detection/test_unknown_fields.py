"""A field that its source is not known to have is told, with what may be meant: in rules, filters, correlations and baselines."""

from pathlib import Path

import pytest

from siem.detection.documents import Document
from siem.detection.folders import named
from siem.detection.load import Ruleset, load_rules, read_folders
from siem.detection.pipelines import product_pipelines
from siem.detection.profile import UnseenField
from siem.detection.unknown_fields import Known, unknown_fields

RULE = """\
title: A process
id: 00000000-0000-4000-8000-000000000001
name: a_process
logsource: {product: windows, category: process_creation}
detection:
  one:
    - CommandLine|contains: x
      Image|endswith: y
    - User|fieldref: ParentUser
  condition: one
"""
FILTER = """\
title: A filter
logsource: {product: windows, category: process_creation}
filter:
  rules: [a_process]
  known: {IntegrityLevel: low}
  condition: not known
"""
MANY = """\
title: Many
id: 00000000-0000-4000-8000-000000000002
correlation:
  type: value_count
  rules: [a_process]
  group-by: [User, who]
  aliases: {who: {a_process: LogonId}}
  timespan: 5m
  condition: {field: ParentImage, gte: 2}
"""
HABIT = """\
title: New
id: 00000000-0000-4000-8000-000000000003
veilleur:
  baseline: {type: first_seen, rules: [a_process], group-by: [User], field: Image, lookback: 30d, learning: 1d}
"""


def read(folder: Path, **texts: str) -> tuple[list[Document], Ruleset]:
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text, "utf-8")
    ruleset = load_rules(folder)
    assert ruleset.errors == ()
    return read_folders(named([folder]))[0], ruleset


def test_names_that_are_documented_are_not_told_of(tmp_path: Path) -> None:
    documents, ruleset = read(tmp_path, rule=RULE, filter=FILTER, many=MANY, habit=HABIT)
    assert unknown_fields(documents, ruleset, Known(product_pipelines())) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "field", "meant"),
    [
        ("rule", "CommandLine|", "Commandline|", 7, "detection.one.0.Commandline|contains", "CommandLine"),
        ("rule", "fieldref: ParentUser", "fieldref: ParentUsr", 9, "detection.one.1.User|fieldref", "ParentUser"),
        ("filter", "IntegrityLevel", "IntegrityLvel", 5, "filter.known.IntegrityLvel", "IntegrityLevel"),
        ("many", "[User, who]", "[ParentImge, who]", 6, "correlation.group-by", "ParentImage"),
        ("many", "field: ParentImage", "field: ParentImge", 9, "correlation.condition.field", "ParentImage"),
        ("many", "a_process: LogonId", "a_process: TerminalSesionId", 7, "correlation.aliases.who", "TerminalSessionId"),
        ("habit", "field: Image,", "field: ImageLoded,", 4, "veilleur.baseline.field", "ImageLoaded"),
    ],
)
def test_a_slip_is_told_where_it_stands(tmp_path: Path, file: str, old: str, new: str, line: int, field: str, meant: str) -> None:
    texts = {"rule": RULE, "filter": FILTER, "many": MANY, "habit": HABIT}
    assert old in texts[file]
    documents, ruleset = read(tmp_path, **{**texts, file: texts[file].replace(old, new)})
    (warning,) = unknown_fields(documents, ruleset, Known(product_pipelines()))
    assert (warning.path, warning.line, warning.field) == (f"{file}.yml", line, field)
    assert f"is «{meant}» meant?" in warning.problem


def test_an_alias_that_nothing_names_is_told(tmp_path: Path) -> None:
    documents, ruleset = read(tmp_path, rule=RULE, many=MANY.replace("[User, who]", "[User]"))
    (warning,) = unknown_fields(documents, ruleset, Known(product_pipelines()))
    assert (warning.field, warning.problem) == ("correlation.aliases.who", "the alias «who» is used nowhere")


def test_a_field_that_no_counted_event_had_is_told_with_what_events_had_instead(tmp_path: Path) -> None:
    documents, ruleset = read(
        tmp_path, rule=RULE.replace("Image|endswith", "VendorVerdict|endswith"), many=MANY.replace("LogonId", "Vendor")
    )
    rule_id, many = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
    unseen = [
        UnseenField("dc1", "VendorVerdict", (rule_id,)),
        UnseenField("dc2", "VendorVerdict", (rule_id,)),
        UnseenField("dc1", "Vendor", (many,)),
        UnseenField("dc1", "ParentUser", (rule_id,)),
        UnseenField("dc1", "Elsewhere", ("another",)),
    ]
    known = Known(product_pipelines(), unseen, {"dc1": frozenset({"vendor_verdict", "User"}), "dc2": frozenset({"User"})})
    alias, field = sorted(unknown_fields(documents, ruleset, known), key=lambda one: one.path)
    assert (field.path, field.line) == ("rule.yml", 8)
    assert field.problem == "no event of dc1, dc2 has ever had a field «VendorVerdict»; is «vendor_verdict» meant?"
    assert (alias.field, alias.problem) == ("correlation.aliases.who", "no event of dc1 has ever had a field «Vendor»")


def test_a_name_that_events_had_is_known_however_it_is_written(tmp_path: Path) -> None:
    documents, ruleset = read(tmp_path, rule=RULE.replace("CommandLine", "Commandline"))
    assert unknown_fields(documents, ruleset, Known(product_pipelines(), seen={"dc1": frozenset({"Commandline"})})) == []


def test_rules_of_a_source_whose_fields_are_those_of_the_table_are_refused_as_they_load(tmp_path: Path) -> None:
    web = "title: A\nlogsource: {category: webserver}\ndetection: {one: {cs-uri-stm: x}, condition: one}\n"
    (tmp_path / "web.yml").write_text(web, "utf-8")
    (error,) = load_rules(tmp_path).errors
    assert error.problem == "the source has no field «cs-uri-stm»; is «cs-uri-stem» meant?"
