"""A professional whose national identifier cannot be right does not get an account: it might be somebody else's.

Precedents: CWE-290; mistyped RPPS numbers that let one person in as another; ANS, identifiers of persons (PS_IdNat).
"""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from idp.cli import app
from idp.store.sqlite import SqliteStore

pytestmark = pytest.mark.precedent("CWE-290")


RIGHT = "899700000005"


@pytest.mark.parametrize(
    ("national_id", "expected"),
    [
        *((f"{RIGHT[:-1]}{digit}", "RPPS: the key (last digit) does not match") for digit in "012346789"),
        ("89970000005", "RPPS: the key"),
        ("8997000000050", "RPPS: 11 digits expected, 12 given"),
        ("8997000000O5", "RPPS: 11 digits expected, another character found"),
        ("00126006", "ADELI: 9 digits expected, 7 given"),
        ("001260063100", "ADELI: 9 digits expected, 11 given"),
        ("0XX1234567", "ADELI: 9 digits expected"),
        ("299700000005", "a type digit expected first"),
        ("", "a type digit expected first"),
        ("3/x", "FINESS (9 characters), a stroke and the employer's own number expected"),
    ],
)
def test_it_is_refused_with_file_entry_field_and_what_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, national_id: str, expected: str
) -> None:
    monkeypatch.setenv("IDP_ENVIRONMENT", "development")
    monkeypatch.setenv("IDP_STATE", str(tmp_path / "idp"))
    people = tmp_path / "people.yaml"
    entry = '  - {{national_id: "{}", given_name: CAMILLE, family_name: TESTEUR}}\n'
    people.write_text("people:\n" + entry.format("899700000039") + entry.format(national_id), "utf-8")
    done = CliRunner().invoke(app, ["accounts", "apply", str(people)])
    assert done.exit_code == 2
    told = done.stderr
    assert told.startswith(f"idp: {people}: people, entry 2, national_id: ")
    assert expected in told
    assert "Value error" not in told
    if (tmp_path / "idp").exists():
        assert asyncio.run(_accounts(tmp_path / "idp" / "idp.sqlite")) == 0, "nothing of a file with a fault is applied"


async def _accounts(path: Path) -> int:
    store = SqliteStore(path)
    try:
        return len(await store.accounts.all())
    finally:
        await store.close()
