"""Each import contract is kept, and breaks when its fault is planted."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT


@dataclass(frozen=True)
class Fault:
    """A file to write or a line to append, the contract that must break, and what its report must name."""

    contract: str
    path: str
    code: str
    named: str


FAULTS = {
    "the provider imports the watch": Fault("apps", "idp/pkce.py", "import siem.event\n", "idp.pkce"),
    "the watch imports the provider": Fault("apps", "siem/event.py", "import idp.model\n", "siem.event"),
    "the vocabulary imports an application": Fault("apps", "vocabulary/audit.py", "import idp.errors\n", "vocabulary.audit"),
    "a store imports an endpoint": Fault("idp-layers", "idp/store/__init__.py", "import idp.endpoints\n", "idp.store"),
    "a grant imports an authentication method": Fault("idp-layers", "idp/grants/__init__.py", "import idp.authentication\n", "idp.grants"),
    "a module of the provider without a place": Fault("idp-layers", "idp/newcomer.py", "", "newcomer"),
    "a source imports detection": Fault("siem-layers", "siem/sources/__init__.py", "import siem.detection\n", "siem.sources"),
    "an incident imports the console": Fault("siem-layers", "siem/incidents/model.py", "import siem.console\n", "siem.incidents.model"),
    "a module of the watch without a place": Fault("siem-layers", "siem/newcomer.py", "", "newcomer"),
    "a store reads the provider's settings": Fault("idp-settings", "idp/store/__init__.py", "import idp.settings\n", "idp.store"),
    "the pipeline reads the watch's settings": Fault("siem-settings", "siem/pipeline.py", "import siem.settings\n", "siem.pipeline"),
    "an event knows the database": Fault("plain", "siem/event.py", "import sqlalchemy\n", "sqlalchemy"),
    "a noun knows the web framework": Fault("plain", "idp/model/client.py", "import starlette\n", "starlette"),
    "a source knows the database through another module": Fault(
        "plain", "siem/sources/nginx.py", "import siem.store.database\n", "siem.store.database"
    ),
    "two siblings import each other": Fault("acyclic", "vocabulary/codes.py", "import vocabulary.cycle\n", "vocabulary"),
}

# The other half of the cycle, which the last fault needs.
CYCLE = ("vocabulary/cycle.py", "import vocabulary.codes\n")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and their contracts, in a folder where a fault harms nobody."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=lambda place, names: [n for n in names if not _is_source(Path(place, n))])
    return folder


def _is_source(path: Path) -> bool:
    return path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__")


@pytest.fixture
def planted(copy: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, Fault]]:
    """The copy with one fault, taken out again afterwards."""
    fault: Fault = request.param
    files = [(fault.path, fault.code), *([CYCLE] if fault.contract == "acyclic" else [])]
    before = {path: (copy / path).read_text("utf-8") if (copy / path).exists() else None for path, _ in files}
    for path, code in files:
        (copy / path).write_text((before[path] or "") + code, "utf-8")
    yield copy, fault
    for path, text in before.items():
        if text is None:
            (copy / path).unlink()
        else:
            (copy / path).write_text(text, "utf-8")


def _lint(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={"COLUMNS": "500", "PATH": ""})


def test_every_contract_is_kept_and_none_is_skipped(copy: Path) -> None:
    result = _lint(copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len({fault.contract for fault in FAULTS.values()})} kept, 0 broken" in result.stdout


@pytest.mark.parametrize("planted", FAULTS.values(), ids=FAULTS.keys(), indirect=True)
def test_a_planted_fault_breaks_its_contract(planted: tuple[Path, Fault]) -> None:
    folder, fault = planted
    result = _lint(folder, "--contract", fault.contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout
    assert fault.named in result.stdout
