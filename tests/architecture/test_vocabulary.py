"""The vocabulary: standard library alone, and one closed, well-formed list of audit events."""

import ast
import re
import sys

import pytest

from tests.architecture.tree import python_files, syntax
from vocabulary.audit import AUDIT_FIELDS, ECS_CLASSES, AuditAction

#: ECS 8, allowed values of event.category and event.type that we use.
ECS_CATEGORIES = {"authentication", "session", "iam", "configuration"}
ECS_TYPES = {"access", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start"}

#: Participles that do not end in -ed.
IRREGULAR = {"given", "seen", "withdrawn"}


def test_imports_the_standard_library_alone() -> None:
    foreign = set()
    for path in python_files("vocabulary"):
        for node in ast.walk(syntax(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            foreign |= {(path, name) for name in names if name.split(".")[0] not in sys.stdlib_module_names | {"vocabulary"}}
    assert foreign == set()


@pytest.mark.parametrize("action", AuditAction)
def test_an_audit_event_is_a_noun_and_a_past_participle(action: AuditAction) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+", action)
    participle = action.rsplit(".", 1)[1]
    assert participle.endswith("ed") or participle in IRREGULAR
    assert action.name == action.replace(".", "_").upper()


@pytest.mark.parametrize("action", AuditAction)
def test_an_audit_event_has_its_class_in_the_schema(action: AuditAction) -> None:
    ecs = ECS_CLASSES[action]
    assert set(ecs.category) <= ECS_CATEGORIES
    assert set(ecs.type) <= ECS_TYPES


def test_a_field_of_ours_stands_under_health_and_says_what_it_holds() -> None:
    schema = ("event.", "user.", "source.", "user_agent.", "tls.", "trace.", "health.")
    for name, meaning in AUDIT_FIELDS.items():
        assert name.startswith(schema), f"{name}: neither of the schema nor under health.*"
        assert meaning
