"""The commands a person types first tell what is missing, before they make anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT


def _stub(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)
    return path


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key != "MFLAGS"}
    return subprocess.run(["make", "-s", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def test_help_lists_the_commands_of_the_readme() -> None:
    listed = _make("help").stdout
    for target in ("setup", "demo", "up", "test", "check", "bench", "fuzz", "audit", "sbom", "lock", "clean"):
        assert f"make {target} " in listed


def test_an_old_python_is_refused_with_the_way_out(tmp_path: Path) -> None:
    old = _stub(tmp_path, "python3", 'case "$*" in *version_info*) exit 1 ;; -V) echo "Python 3.9.2" ;; esac')
    result = _make("python-present", f"PYTHON={old}")
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed" in result.stderr
    assert "is Python 3.9.2" in result.stderr


def test_a_python_without_venv_names_the_package(tmp_path: Path) -> None:
    bare = _stub(tmp_path, "python3", 'case "$*" in *ensurepip*) exit 1 ;; esac')
    result = _make("python-present", f"PYTHON={bare}")
    assert result.returncode != 0
    assert "apt-get install python3-venv" in result.stderr


def test_no_python_at_all_names_the_packages() -> None:
    result = _make("python-present", "PYTHON=python-that-is-not-there")
    assert result.returncode != 0
    assert "apt-get install python3 python3-venv" in result.stderr


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_a_missing_program_is_told_and_stops_continuous_integration(tmp_path: Path, ci: str, status: int) -> None:
    _stub(tmp_path, "id", "echo 1000")
    bash = shutil.which("bash")
    assert bash is not None
    result = subprocess.run(
        [bash, str(ROOT / ".ci/services")], capture_output=True, text=True, check=False, env={"PATH": str(tmp_path), "CI": ci}
    )
    assert result.returncode == status, result.stderr
    assert "only root on Debian can install it here" in result.stderr
    assert "chromium" in result.stderr
    assert "the pages in a real browser" in result.stderr
