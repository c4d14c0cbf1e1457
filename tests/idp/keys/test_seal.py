from pathlib import Path

import pytest

from idp.errors import OperationError
from idp.keys import Seal


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    Seal.create_file(tmp_path / "seal.key")
    return tmp_path / "seal.key"


def test_what_is_sealed_opens_with_the_same_key_and_name(key_file: Path) -> None:
    sealed = Seal.from_file(key_file).close("pepper", b"secret")
    assert b"secret" not in sealed
    assert Seal.from_file(key_file).open("pepper", sealed) == b"secret"


def test_another_key_another_name_or_a_changed_byte_is_refused(key_file: Path, tmp_path: Path) -> None:
    seal = Seal.from_file(key_file)
    sealed = seal.close("pepper", b"secret")
    Seal.create_file(tmp_path / "other.key")
    with pytest.raises(OperationError, match="wrong seal key"):
        Seal.from_file(tmp_path / "other.key").open("pepper", sealed)
    with pytest.raises(OperationError):
        seal.open("signing:x", sealed)
    with pytest.raises(OperationError):
        seal.open("pepper", sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_two_seals_of_the_same_secret_differ(key_file: Path) -> None:
    seal = Seal.from_file(key_file)
    assert seal.close("a", b"x") != seal.close("a", b"x")


def test_a_key_file_is_never_replaced_and_is_for_its_owner_alone(key_file: Path) -> None:
    assert key_file.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        Seal.create_file(key_file)


@pytest.mark.parametrize("content", ["", "short", "é" * 43, "A" * 60])
def test_a_file_that_holds_no_key_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "seal.key").write_text(content)
    (tmp_path / "seal.key").chmod(0o600)
    with pytest.raises(OperationError, match=r"seal\.key"):
        Seal.from_file(tmp_path / "seal.key")


def test_a_key_that_others_may_read_or_that_is_missing_is_refused(key_file: Path, tmp_path: Path) -> None:
    key_file.chmod(0o644)
    with pytest.raises(OperationError, match="chmod 600"):
        Seal.from_file(key_file)
    with pytest.raises(OperationError, match="idp init"):
        Seal.from_file(tmp_path / "absent.key")
