"""The embedded engine sits the exam."""

from pathlib import Path

import pytest

from idp.store import Store
from idp.store.sqlite import SqliteStore
from tests.idp.store.exam import StoreExam


class TestSqlite(StoreExam):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "idp.sqlite"

    def open_store(self) -> Store:
        return SqliteStore(self.path)


class TestSqliteWithoutWaitingForTheDisk(StoreExam):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "idp.sqlite"

    def open_store(self) -> Store:
        return SqliteStore(self.path, synchronous="normal")
