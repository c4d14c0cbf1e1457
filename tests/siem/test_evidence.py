import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.errors import DataError, OperationError
from siem.evidence import EvidenceStore, Piece
from tests.examples import examples

NOW = datetime(2026, 3, 14, 8, tzinfo=UTC)


def seal(store: EvidenceStore, reference: str = "run:step", *data: bytes) -> str:
    return store.seal(reference, [Piece(f"e{n}", each, {"source": "idp"}) for n, each in enumerate(data)], {"incident": "INC"}, NOW).sha256


def test_what_was_sealed_is_found_again_by_its_hash_and_by_another_process(tmp_path: Path) -> None:
    digest = seal(EvidenceStore(tmp_path / "e"), "run:step", b"one", b"two", b"one")
    other = EvidenceStore(tmp_path / "e")
    pieces = other.manifest(digest)["pieces"]
    assert [other.read(piece["sha256"]) for piece in pieces] == [b"one", b"two", b"one"]
    assert [(each.reference, each.piece_count, each.size_bytes) for each in other.manifests()] == [("run:step", 3, 9)]
    assert other.verify() == []


def test_sealing_under_the_same_reference_is_sealing_once(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    assert seal(store, "r", b"one") == seal(store, "r", b"other")
    assert len(store.manifests()) == 1


def test_a_changed_piece_a_lost_piece_and_a_changed_journal_are_found(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    seal(store, "a", b"one")
    seal(store, "b", b"two")
    path = next(path for path in (tmp_path / "objects").rglob("*") if path.is_file() and path.read_bytes() == b"one")
    path.chmod(0o600)
    path.write_bytes(b"0ne")
    with pytest.raises(DataError, match="no longer has the hash"):
        store.read(path.name)
    assert [problem.path for problem in store.verify()] == [str(path)]
    path.unlink()
    with pytest.raises(OperationError):
        store.read(path.name)
    assert len(store.verify()) == 1
    journal = tmp_path / "journal.ndjson"
    lines = journal.read_text().splitlines()
    journal.write_text(lines[0].replace('"a"', '"x"') + "\n" + lines[1] + "\n")
    with pytest.raises(DataError, match="changed before this line") as raised:
        EvidenceStore(tmp_path)
    assert raised.value.line == 2


def test_the_folder_is_for_its_owner_and_its_objects_are_read_only(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "e")
    seal(store, "a", b"one")
    assert (tmp_path / "e").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "e" / "objects").rglob("*") if path.is_file()} == {0o400}


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 400))
def test_a_line_cut_off_by_a_crash_is_set_aside_and_the_journal_goes_on(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("evidence")
    store = EvidenceStore(folder)
    seal(store, "a", b"one")
    whole = (folder / "journal.ndjson").read_bytes()
    seal(store, "b", b"two")
    both = (folder / "journal.ndjson").read_bytes()
    kept = both[: len(whole) + min(cut, len(both) - len(whole) - 1)]
    (folder / "journal.ndjson").write_bytes(kept)
    again = EvidenceStore(folder)
    assert [each.reference for each in again.manifests()] == ["a"]
    seal(again, "b", b"two")
    assert [each.reference for each in EvidenceStore(folder).manifests()] == ["a", "b"]
    assert all(json.loads(line) for line in (folder / "journal.ndjson").read_text().splitlines())


def test_a_full_or_broken_disk_is_an_operation_error_that_names_the_file(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "e")
    (tmp_path / "e" / "objects").rmdir()
    (tmp_path / "e" / "objects").write_text("a file where a folder was")
    with pytest.raises(OperationError, match="objects"):
        store.keep(b"one")
