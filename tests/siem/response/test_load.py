import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from siem.response.actions import ACTIONS
from siem.response.load import Library, load_playbooks
from tests.siem.response.conftest import AGENT, SCHEMA, action_step, named, source

Change = Callable[[dict[str, Any]], object]

ONE_STEP = {named("action", 1): action_step("watch_account", on_completion=named("end", 1))}


def load(folder: Path, *sources: dict[str, Any] | str) -> Library:
    for number, each in enumerate(sources, start=1):
        text = each if isinstance(each, str) else json.dumps(each, indent=1)
        (folder / f"{number}.json").write_text(text, encoding="utf-8")
    return load_playbooks(folder, SCHEMA, ACTIONS)


def test_a_right_file_loads(tmp_path: Path) -> None:
    library = load(tmp_path, source(ONE_STEP))
    assert library.errors == ()
    assert [step.action for step in library.playbooks[named("playbook", 1)].ordered() if step.action] == ["watch_account"]


def _step(changed: dict[str, Any]) -> Change:
    return lambda made: made["workflow"][named("action", 1)].update(changed)


CASES: dict[str, tuple[Change, str, str]] = {
    "dangling reference": (
        _step({"on_completion": named("end", 7)}),
        f"workflow.{named('action', 1)}.on_completion",
        "not in the workflow",
    ),
    "loop": (_step({"on_completion": named("action", 1)}), f"workflow.{named('action', 1)}", "is in a loop"),
    "unknown action": (
        _step({"commands": [{"type": "veilleur-action", "command": "launch_missiles"}]}),
        f"workflow.{named('action', 1)}.commands",
        "launch_missiles is not an action",
    ),
    "another type of command": (
        _step({"commands": [{"type": "bash", "command": "rm"}]}),
        f"workflow.{named('action', 1)}.commands.0.type",
        "'veilleur-action' was expected",
    ),
    "unknown property": (_step({"on_sucess": named("end", 1)}), f"workflow.{named('action', 1)}", "'on_sucess' was unexpected"),
    "completion and success": (
        _step({"on_success": named("end", 1)}),
        f"workflow.{named('action', 1)}.on_completion",
        "excludes on_success",
    ),
    "unreached step": (
        lambda made: made["workflow"].update({named("action", 5): action_step("open_dossier", on_completion=named("end", 1))}),
        f"workflow.{named('action', 5)}",
        "never reached",
    ),
    "branch without end": (
        lambda made: made["workflow"][named("action", 1)].pop("on_completion"),
        f"workflow.{named('action', 1)}",
        "leads nowhere",
    ),
    "second start": (
        lambda made: made["workflow"].update({named("start", 2): {"type": "start", "on_completion": named("action", 1)}}),
        f"workflow.{named('start', 2)}",
        "second start",
    ),
    "missing start": (lambda made: made.update(workflow_start=named("start", 9)), "workflow_start", "not in the workflow"),
    "missing exception": (lambda made: made.update(workflow_exception=named("end", 9)), "workflow_exception", "not in the workflow"),
    "unknown agent": (lambda made: made.update(agent_definitions={}), f"workflow.{named('action', 1)}.agent", f"{AGENT} is not among"),
    "undeclared variable": (
        _step({"in_args": ["__personnes__", "__rien__"]}),
        f"workflow.{named('action', 1)}.in_args",
        "__rien__ is not among",
    ),
    "missing argument": (_step({"in_args": []}), f"workflow.{named('action', 1)}.in_args", "needs __personnes__"),
    "undeclared output": (_step({"out_args": ["__gravite__"]}), f"workflow.{named('action', 1)}.out_args", "cannot be written"),
    "modified before created": (lambda made: made.update(modified="2025-01-01T00:00:00.000Z"), "modified", "before created"),
    "wrong date": (lambda made: made.update(created="yesterday"), "created", "does not match"),
    "unknown external": (
        lambda made: made["playbook_variables"].update({"__lune__": {"type": "string", "external": True}}),
        "playbook_variables.__lune__",
        "an incident gives only",
    ),
    "revocation without approval": (
        _step(action_step("revoke_sessions", on_completion=named("end", 1))),
        f"workflow.{named('action', 1)}.step_extensions",
        "needs an approval",
    ),
    "approval by a role that may not approve": (
        _step(action_step("revoke_sessions", approval={"approbation": "une", "roles": ["declarant"]}, on_completion=named("end", 1))),
        f"workflow.{named('action', 1)}.step_extensions",
        "may approve",
    ),
    "undefined extension": (
        lambda made: (
            made.update(extension_definitions={}),
            _step(action_step("watch_account", approval={"approbation": "une"}, on_completion=named("end", 1)))(made),
        ),
        "extension_definitions",
        "does not define",
    ),
    "unknown marking": (lambda made: made.update(markings=[named("marking-tlp", 1)]), "markings", "data_marking_definitions"),
}


@pytest.mark.parametrize(("change", "field", "problem"), CASES.values(), ids=CASES.keys())
def test_a_mistake_is_named_by_file_line_and_field(tmp_path: Path, change: Change, field: str, problem: str) -> None:
    made = json.loads(json.dumps(source(ONE_STEP)))
    change(made)
    library = load(tmp_path, made)
    assert library.playbooks == {}
    error = next(each for each in library.errors if each.field == field)
    assert error.path == str(tmp_path / "1.json")
    assert error.line > 0
    assert problem in error.problem


def test_the_line_is_that_of_the_step(tmp_path: Path) -> None:
    made = json.loads(json.dumps(source(ONE_STEP)))
    made["workflow"][named("action", 1)]["on_completion"] = named("end", 7)
    text = json.dumps(made, indent=1)
    error = load(tmp_path, text).errors[0]
    assert f'"on_completion": "{named("end", 7)}"' in text.splitlines()[error.line - 1]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('{\n"type": "playbook",\n', 3, "is not JSON"),
        ('{\n"type": "playbook",\n"type": "playbook"}', 2, "twice"),
        ("[]", 1, "is not of type 'object'"),
    ],
)
def test_what_is_not_a_playbook_at_all_is_named_too(tmp_path: Path, text: str, line: int, problem: str) -> None:
    error = load(tmp_path, text).errors[0]
    assert (error.path, error.line) == (str(tmp_path / "1.json"), line)
    assert problem in error.problem


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'{"\xff": 1}')
    assert "not UTF-8" in load_playbooks(tmp_path, SCHEMA, ACTIONS).errors[0].problem


def test_a_wrong_file_does_not_stop_the_right_one(tmp_path: Path) -> None:
    library = load(tmp_path, "{", source(ONE_STEP))
    assert len(library.errors) == 1
    assert set(library.playbooks) == {named("playbook", 1)}


def test_two_files_cannot_have_one_id(tmp_path: Path) -> None:
    library = load(tmp_path, source(ONE_STEP), source(ONE_STEP))
    assert [error.field for error in library.errors] == ["id"]
    assert len(library.playbooks) == 1


def calling(number: int, called: int, tlp: str = "TLP:AMBER") -> dict[str, Any]:
    workflow = {
        named("start", 1): {"type": "start", "on_completion": named("playbook-action", 1)},
        named("playbook-action", 1): {
            "type": "playbook-action",
            "name": "Appeler",
            "playbook_id": named("playbook", called),
            "on_completion": named("end", 1),
        },
    }
    marking = {
        "type": "marking-tlp",
        "id": named("marking-tlp", 1),
        "created_by": named("identity", 1),
        "created": "2026-01-01T00:00:00.000Z",
    }
    return source(workflow, number, data_marking_definitions={named("marking-tlp", 1): marking | {"tlpv2_level": tlp}})


def test_playbooks_that_call_each_other_or_nobody_are_refused_with_those_that_call_them(tmp_path: Path) -> None:
    library = load(tmp_path, calling(1, 2), calling(2, 1), calling(3, 9), calling(4, 3), source(ONE_STEP, 5), calling(6, 5))
    assert set(library.playbooks) == {named("playbook", 5), named("playbook", 6)}
    assert sum("calls this playbook back" in error.problem for error in library.errors) == 2
    assert {Path(error.path).name for error in library.errors} == {"1.json", "2.json", "3.json", "4.json"}


def test_a_called_playbook_is_not_shared_more_widely(tmp_path: Path) -> None:
    library = load(tmp_path, calling(1, 2, "TLP:RED"), calling(2, 3, "TLP:GREEN"), source(ONE_STEP, 3))
    assert set(library.playbooks) == {named("playbook", 2), named("playbook", 3)}
    assert "wider than TLP:RED" in library.errors[0].problem
