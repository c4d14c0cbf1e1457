"""Registries are written by hand: nothing that exists may be missing from its own."""

import importlib
import inspect
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

import pytest

from tests.architecture.tree import python_files

#: Folder, name of its registry, modules of the folder that are not parts to register.
REGISTRIES = [
    ("idp/authorization", "STEPS", {"request", "request_level", "request_object", "respond"}),
    ("idp/grants", "GRANTS", {"phases", "repeated_answer"}),
    ("idp/client_auth", "METHODS", {"presented"}),
    ("siem/sources", "SOURCES", {"configuration", "flatten", "record", "source"}),
    ("siem/response/actions", "ACTIONS", set()),
]


def _modules_of(entries: object) -> set[str]:
    """Modules that define what a registry holds: functions, classes, instances or modules, as values or as keys of a mapping."""
    values: Iterable[object] = entries.values() if isinstance(entries, Mapping) else entries if isinstance(entries, Iterable) else ()
    found = set()
    for value in values:
        for part in value if isinstance(value, tuple) else (value,):
            if inspect.ismodule(part):
                found.add(part.__name__)
            else:
                found.add(getattr(part, "__module__", None) or type(part).__module__)
                found.add(type(part).__module__)
    return {name.rsplit(".", 1)[-1] for name in found}


@pytest.mark.parametrize(("folder", "registry", "other"), REGISTRIES, ids=[f"{folder}:{name}" for folder, name, _ in REGISTRIES])
def test_every_part_of_a_folder_is_in_its_registry(folder: str, registry: str, other: set[str]) -> None:
    package = importlib.import_module(folder.replace("/", "."))
    modules = {PurePosixPath(path).stem for path in python_files(folder) if PurePosixPath(path).parent == PurePosixPath(folder)}
    public = {name for name in modules if not name.startswith("_")}
    assert public - other - _modules_of(getattr(package, registry)) == set(), f"{folder}: not in {registry}"
    assert other <= public, f"{folder}: the test excepts a module that is gone"
