import sqlite3

import pytest

from idp.errors import OperationError
from idp.store.schema import STEPS, migrate


def test_an_empty_file_takes_every_step_once() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    assert migrate(connection, "x") == len(STEPS)
    assert migrate(connection, "x") == 0
    assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS),)


def test_a_file_of_a_later_version_is_refused_by_name() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(OperationError, match=r"later\.sqlite"):
        migrate(connection, "later.sqlite")
