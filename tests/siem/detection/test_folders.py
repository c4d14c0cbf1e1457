from pathlib import Path

import pytest

from siem.detection.folders import OWN, RuleFolder, named, watch_folders
from siem.detection.load import load_rules
from siem.errors import DataError

RULE = """\
title: {title}
id: {id}
name: {name}
logsource: {{product: veilleur, service: idp}}
detection:
  selection:
    event.action: {title}
  condition: selection
"""
FILTER = """\
title: Not the night shift
logsource: {product: veilleur, service: idp}
filter:
  rules: [first]
  selection:
    user.id: P-NIGHT
  condition: not selection
"""
CORRELATION = """\
title: Both
id: 00000000-0000-4000-8000-00000000000c
correlation:
  type: temporal
  rules: [first, second]
  group-by: [user.id]
  timespan: 5m
"""


def rule(number: int, name: str) -> str:
    return RULE.format(title=name, id=f"00000000-0000-4000-8000-00000000000{number}", name=name)


def folders(root: Path, **files: str) -> tuple[Path, Path]:
    for path, text in files.items():
        folder, name = path.split("__")
        (root / folder).mkdir(exist_ok=True)
        (root / folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return root / "ours", root / "theirs"


def test_rules_of_several_folders_are_one_set(tmp_path: Path) -> None:
    loaded = load_rules(
        *folders(tmp_path, ours__a=rule(1, "first"), theirs__b=rule(2, "second"), theirs__c=CORRELATION, theirs__filter=FILTER)
    )
    assert loaded.errors == ()
    assert {one.path: one.rule_set for one in loaded.rules.values()} == {"a.yml": "", "theirs/b.yml": "theirs", "theirs/c.yml": "theirs"}
    (correlation,) = loaded.correlations
    assert len(correlation.inputs) == 2  # it finds the rule of the other folder by its name
    (first, _) = loaded.singles
    assert "user.id" in first.variants[0].fields  # and the filter finds it too


@pytest.mark.parametrize(("again", "field"), [(rule(1, "other"), "id"), (rule(2, "first"), "name")])
def test_an_id_or_a_name_of_another_folder_is_refused_with_both_files_named(tmp_path: Path, again: str, field: str) -> None:
    loaded = load_rules(*folders(tmp_path, ours__same=rule(1, "first"), theirs__same=again))
    (error,) = loaded.errors
    assert (error.path, error.field) == ("theirs/same.yml", field)
    assert "same.yml;" in error.problem or error.problem.endswith("of same.yml")
    assert list(loaded.rules) == ["00000000-0000-4000-8000-000000000001"]


def test_two_files_never_have_the_same_name_in_errors(tmp_path: Path) -> None:
    (tmp_path / "rules" / "rules").mkdir(parents=True)
    for other in ("one", "two"):
        (tmp_path / other / "rules").mkdir(parents=True)
    found = named([tmp_path / "rules", tmp_path / "one/rules", tmp_path / "two/rules"])
    names = [folder.file_name(folder.path / "x.yml") for folder in found]
    assert names == ["x.yml", "one/rules/x.yml", "two/rules/x.yml"]


def test_a_rule_without_licence_has_that_of_its_folder(tmp_path: Path) -> None:
    ours, theirs = folders(tmp_path, ours__a=rule(1, "first") + "license: Apache-2.0\n", theirs__b=rule(2, "second"))
    loaded = load_rules(RuleFolder(ours, licence="X"), RuleFolder(theirs, "theirs", "DRL-1.1"))
    assert [one.licence for one in loaded.rules.values()] == ["Apache-2.0", "DRL-1.1"]


def test_the_operators_own_rules_are_loaded_where_there_are_some(tmp_path: Path) -> None:
    ours, theirs = folders(tmp_path, ours__a=rule(1, "first"), theirs__b=rule(2, "second"))
    state = tmp_path / "state"
    assert [folder.path for folder in watch_folders(ours, state, [theirs])] == [ours, theirs]
    (state / OWN).mkdir(parents=True)
    assert [folder.name for folder in watch_folders(ours, state, [theirs])] == ["", "theirs", OWN]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    with pytest.raises(DataError, match="theirs: is not a folder of rules; see SIEM_RULES and SIEM_EXTRA_RULES"):
        watch_folders(tmp_path / "ours", tmp_path, [tmp_path / "theirs"])
