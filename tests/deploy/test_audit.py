"""The audit fails for what is known and not accepted, and never takes silence for good news."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deploy.supply_chain.audit import ACCEPTED, AcceptanceError, Accepted, Finding, asking, audited, judged, read_accepted

TODAY = date(2026, 11, 25)
FOUND = Finding("jinja2", "3.1.0", ("PYSEC-2026-1", "CVE-2026-1"), ("3.1.9",))
TAKEN = Accepted("CVE-2026-1", "jinja2", "no template of a stranger is rendered", date(2027, 1, 31))


def _says(*packages: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"dependencies": list(packages), "fixes": []}


SOUND = {"name": "orjson", "version": "3.10.0", "vulns": []}
FAULTY = {"name": "jinja2", "version": "3.1.0", "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.1.9"]}]}
SKIPPED = {"name": "uv", "skip_reason": "Dependency not found on PyPI and could not be audited: uv (0.9.0)"}


def test_what_is_known_is_found_once_though_several_files_lock_it() -> None:
    assert audited([Path("a.txt"), Path("b.txt")], lambda _file: _says(SOUND, FAULTY)) == ([FOUND], {}, 2)


def test_a_known_fault_fails_and_says_what_mends_it() -> None:
    status, lines = judged([FOUND], {}, [], TODAY)
    assert status == 1
    assert "VULNERABLE  jinja2 3.1.0: PYSEC-2026-1 = CVE-2026-1; mended in 3.1.9" in lines[0]


def test_an_accepted_fault_passes_to_its_last_day_and_no_longer() -> None:
    assert judged([FOUND], {}, [TAKEN], TAKEN.expires)[0] == 0
    status, lines = judged([FOUND], {}, [TAKEN], date(2027, 2, 1))
    assert status == 1 and "its acceptance ended on 2027-01-31" in lines[0]


def test_an_acceptance_is_of_one_package_and_is_taken_out_when_it_is_not_needed() -> None:
    other = Accepted("CVE-2026-1", "markupsafe", "r", TAKEN.expires)
    assert judged([FOUND], {}, [other], TODAY)[0] == 1
    status, lines = judged([], {}, [TAKEN], TODAY)
    assert status == 1 and "take it out of accepted.toml" in lines[0]


def test_what_could_not_be_looked_up_is_no_clean_result() -> None:
    found, unknown, count = audited([Path("runtime.txt")], lambda _file: _says(SOUND, SKIPPED))
    assert (found, list(unknown), count) == ([], ["uv"], 1)
    status, lines = judged(found, unknown, [], TODAY)
    assert status == 2 and "NOT LOOKED UP  1: uv" in lines[0] and "no clean result" in lines[1]
    assert judged([FOUND], unknown, [], TODAY)[0] == 1, "a known fault is told as such, whatever else is unknown"
    assert judged([], unknown, [TAKEN], TODAY)[0] == 2, "nobody is told to take out what may still be there"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; print('requests.exceptions.ConnectionError: no route', file=sys.stderr); sys.exit(1)", "no route"),
        ("import sys; sys.exit(3)", "ended with 3"),
        ("print('no document')", "no result"),
    ],
)
def test_a_network_that_is_away_is_told_with_its_words(tmp_path: Path, script: str, said: str) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\n{script}\n", "utf-8")
    program.chmod(0o755)
    _, unknown, count = audited([Path("runtime.txt")], asking(program))
    assert count == 0 and said in unknown["runtime.txt"]
    assert judged([], unknown, [], TODAY)[0] == 2


@pytest.mark.parametrize(
    "entry",
    [
        'id = "a"',
        'id = "a"\npackage = "b"\nreason = ""\nexpires = 2027-01-01',
        'id = "a"\npackage = "b"\nreason = "c"\nexpires = "soon"',
        "id =",
    ],
)
def test_an_acceptance_without_reason_or_end_is_refused(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(f"[[advisory]]\n{entry}\n", "utf-8")
    with pytest.raises(AcceptanceError, match=r"accepted\.toml"):
        read_accepted(path)


def test_the_file_of_acceptances_can_be_read() -> None:
    assert all(one.expires and one.reason for one in read_accepted(ACCEPTED))


def test_make_lists_both_commands() -> None:
    listed = subprocess.run(["make", "-s", "help"], cwd=ACCEPTED.parents[2], capture_output=True, text=True, check=True).stdout
    assert "make audit " in listed and "make sbom " in listed
