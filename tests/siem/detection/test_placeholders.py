from pathlib import Path

import pytest

from siem.detection.folders import RuleFolder
from siem.detection.load import load_rules
from siem.detection.match import Matcher
from siem.detection.placeholders import read_placeholders
from siem.detection.predicates import View

RULE = """\
title: An administrator
id: 00000000-0000-4000-8000-000000000001
logsource: {product: veilleur}
detection:
  selection: {user.id|expand: "%Administrators%"}
  condition: selection
"""
LISTS = "Administrators: [adm_*, root, 1001]"


def folder(path: Path, lists: str, rule: str = RULE) -> Path:
    (path / "placeholders").mkdir(parents=True)
    (path / "placeholders" / "site.yml").write_text(lists, encoding="utf-8")
    if rule:
        (path / "admin.yml").write_text(rule, encoding="utf-8")
    return path


def test_a_rule_matches_what_its_list_names(tmp_path: Path) -> None:
    loaded = load_rules(folder(tmp_path, LISTS))
    assert loaded.errors == ()
    matcher = Matcher(loaded.singles)

    def found(user: str) -> bool:
        return bool(list(matcher.match(View({"event.dataset": "idp.audit", "user.id": user}))))

    assert [found(user) for user in ("ADM_marie", "root", "1001", "marie", "%Administrators%")] == [True, True, True, False, False]


def test_a_rule_whose_list_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    loaded = load_rules(folder(tmp_path, "Servers: [srv*]"))
    (error,) = loaded.errors
    assert (error.path, error.line, error.field) == ("admin.yml", 5, "detection.selection.user.id|expand")
    assert "%Administrators%" in error.problem
    assert loaded.rules == {}


def test_the_list_of_a_later_folder_replaces_that_of_an_earlier_one(tmp_path: Path) -> None:
    folders = [RuleFolder(folder(tmp_path / name, text), name) for name, text in (("ours", LISTS), ("site", "Administrators: [chief]"))]
    assert read_placeholders(folders) == ({"Administrators": ("chief",)}, [])


def test_what_is_given_stands_above_the_folders(tmp_path: Path) -> None:
    loaded = load_rules(folder(tmp_path, LISTS), placeholders={"Administrators": ["nobody"]})
    assert not list(Matcher(loaded.singles).match(View({"event.dataset": "idp.audit", "user.id": "root"})))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("Servers: []", 1, "at least one value"),
        ("Servers: srv1", 1, "a list of at least one"),
        ("A: [x]\nServers: [true]", 2, "a text or a number"),
        ("Servers: ['']", 1, "a text or a number"),
        ("Servers:\n  - [x]", 1, "a text or a number"),
        ("my servers: [x]", 1, "without spaces"),
        ("'%Servers%': [x]", 1, "without spaces"),
        ("3: [x]", 1, "a name"),
        ("Servers: [x", 2, "not YAML"),
        ("- a", 1, "a map"),
    ],
)
def test_a_faulty_list_is_named_and_spares_the_others(text: str, line: int, problem: str, tmp_path: Path) -> None:
    folder(tmp_path, text, rule="")
    (tmp_path / "placeholders" / "good.yml").write_text(LISTS, encoding="utf-8")
    found, (error,) = read_placeholders([RuleFolder(tmp_path)])
    assert (error.path, error.line) == ("placeholders/site.yml", line)
    assert problem in error.problem
    assert found["Administrators"] == ("adm_*", "root", "1001")


def test_a_list_is_written_once_in_a_folder(tmp_path: Path) -> None:
    folder(tmp_path, LISTS, rule="")
    (tmp_path / "placeholders" / "again.yml").write_text(LISTS, encoding="utf-8")
    found, (error,) = read_placeholders([RuleFolder(tmp_path)])
    assert error.problem == "the list «Administrators» is already in placeholders/again.yml"
    assert list(found) == ["Administrators"]
