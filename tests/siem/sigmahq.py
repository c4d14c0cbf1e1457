"""The rules of SigmaHQ and real events of Windows from the data of the tests, unpacked and compiled once for all tests of a process."""

import atexit
import gzip
import os
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

from siem.detection.load import Ruleset, load_rules
from siem.detection.pipelines import product_pipelines

DATA = Path(os.environ.get("VEILLEUR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
_FILES = ("sigmahq-rules.tar.gz", "sigma-regression-half.tar.gz", "windows-events-otrf-40k.ndjson.gz")
real_data = pytest.mark.skipif(
    not all((DATA / name).is_file() for name in _FILES),
    reason=f"no real data in {DATA} (set VEILLEUR_DATA to the folder that holds it)",
)


@cache
def unpacked() -> Path:
    """The folder with ``rules`` and ``regression_data``, to be read only."""
    folder = Path(tempfile.mkdtemp(prefix="veilleur-sigmahq-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in _FILES[:2]:
        with tarfile.open(DATA / name) as archive:
            archive.extractall(folder, filter="data")
    return folder


@cache
def windows_rules() -> Ruleset:
    """Every rule for Windows, as a watch with flat event logs reads it."""
    loaded = load_rules(unpacked() / "rules" / "windows", sources=product_pipelines().fed_by({"windows"}))
    assert loaded.errors == ()
    assert len(loaded.rules) == 2407
    return loaded


@cache
def windows_lines() -> tuple[bytes, ...]:
    """Forty thousand events as lines of JSON."""
    with gzip.open(DATA / _FILES[2]) as file:
        return tuple(file.read().splitlines())
