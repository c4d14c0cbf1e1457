import importlib
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

import siem
from siem.errors import OperationError
from siem.store.database import Database, metadata
from siem.store.migrations import migrate, upgrade

SOURCES = Path(siem.__file__).parent
MODULES = sorted(path for path in SOURCES.rglob("*.py") if "/migrations/" not in str(path) and "Table(" in path.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True, scope="module")
def every_domains_tables() -> None:
    for path in MODULES:
        importlib.import_module(".".join(("siem", *path.relative_to(SOURCES).with_suffix("").parts)))


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'watch.sqlite'}"


def test_the_revisions_make_the_tables_that_the_domains_declare(tmp_path: Path) -> None:
    migrate(url(tmp_path))
    database = Database(url(tmp_path))
    with database.reading() as conn:
        differences = compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), metadata)
    database.close()
    assert differences == [], "a table changed: add a revision under siem/store/migrations/versions"


def test_migrating_again_changes_nothing_and_keeps_what_is_there(tmp_path: Path) -> None:
    migrate(url(tmp_path))
    database = Database(url(tmp_path))
    with database.transaction() as conn:
        conn.execute(text("INSERT INTO actors VALUES ('default', 's', 'n')"))
    migrate(url(tmp_path))
    with database.reading() as conn:
        assert conn.scalar(text("SELECT name FROM actors")) == "n"
    database.close()


def test_two_processes_that_start_at_once_both_find_the_tables(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def start() -> None:
        try:
            migrate(url(tmp_path))
        except OperationError as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_migration_that_dies_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    with pytest.raises(KeyboardInterrupt), database.transaction() as conn:
        upgrade(conn)
        raise KeyboardInterrupt
    with database.reading() as conn:
        assert inspect(conn).get_table_names() == []
    database.close()
    migrate(url(tmp_path))


@pytest.mark.parametrize("statement", ["UPDATE alembic_version SET version_num = '9999'", "DROP TABLE alembic_version"])
def test_a_database_of_a_newer_version_or_of_something_else_is_refused(tmp_path: Path, statement: str) -> None:
    migrate(url(tmp_path))
    database = Database(url(tmp_path))
    with database.transaction() as conn:
        conn.execute(text(statement))
    database.close()
    with pytest.raises(OperationError, match=r"watch\.sqlite"):
        migrate(url(tmp_path))


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "watch.sqlite").write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    with pytest.raises(OperationError, match=r"watch\.sqlite"):
        migrate(url(tmp_path))


@pytest.mark.parametrize(
    ("tenants", "kept"), [([], ("default", 3)), (["hopital"], ("hopital", 3)), (["hopital", "clinique"], None)], ids=["none", "one", "two"]
)
def test_what_filters_hid_is_given_to_the_only_tenant_and_to_nobody_where_there_are_several(
    tmp_path: Path, tenants: list[str], kept: tuple[str, int] | None
) -> None:
    database = Database(url(tmp_path))
    with database.transaction() as conn:
        upgrade(conn, "0015")
        conn.execute(text("INSERT INTO filter_hits VALUES ('probe', 'r1', 3, '2026-11-22T03:00:00+00:00')"))
        columns = [(one["name"], one["nullable"], one["type"].python_type) for one in inspect(conn).get_columns("alerts")]
        for number, tenant in enumerate(tenants):
            given = {name: kind(number) for name, nullable, kind in columns if not nullable} | {"tenant": tenant}
            names = ", ".join(given)
            conn.execute(text(f"INSERT INTO alerts ({names}) VALUES ({', '.join(f':{name}' for name in given)})"), given)
    migrate(url(tmp_path))
    with database.reading() as conn:
        found = conn.execute(text("SELECT tenant, count FROM filter_hits")).all()
    database.close()
    assert [tuple(row) for row in found] == ([kept] if kept else [])


def test_a_tenant_of_whose_alerts_a_filter_hid_every_one_is_one_all_the_same(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    with database.transaction() as conn:
        upgrade(conn, "0015")
        conn.execute(text("INSERT INTO filter_hits VALUES ('probe', 'r1', 3, NULL)"))
        for tenant in ("hopital", "clinique"):
            conn.execute(text("INSERT INTO users VALUES (:tenant, 'x', '[]', '[]', :tenant)"), {"tenant": tenant})
    migrate(url(tmp_path))
    with database.reading() as conn:
        assert conn.execute(text("SELECT * FROM filter_hits")).all() == []
    database.close()
