"""The database of the watch's state: SQLite embedded, PostgreSQL past one machine, by URL.

One writer at a time: :meth:`Database.transaction` takes the write lock at its start (``BEGIN IMMEDIATE``),
so two transactions never fail half-way on a lock upgrade. Reads see the last committed state (WAL).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from sqlalchemy import Connection, MetaData, TypeDecorator, create_engine, event
from sqlalchemy.engine import Dialect
from sqlalchemy.types import String

metadata = MetaData()
Synchronous = Literal["full", "normal"]


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as RFC 3339 text with microseconds so that it sorts on every engine."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Refuse a naive datetime: it would silently mean another hour."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without time zone cannot be stored")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Back to an aware datetime."""
        return None if value is None else datetime.fromisoformat(value)


class Database:
    """Connections to the state. ``url`` is SQLAlchemy's (``sqlite:///var/siem/watch.sqlite``).

    ``synchronous`` of SQLite: ``full``, a commit is on the disk when it returns; ``normal``, a killed process loses nothing,
    a power cut the last commits.
    """

    def __init__(self, url: str, *, synchronous: Synchronous = "full") -> None:
        self.engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False} if url.startswith("sqlite") else {})
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", partial(_configure_sqlite, synchronous=synchronous))
            event.listen(self.engine, "begin", _begin_immediate)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Everything inside is committed together, durably, or not at all."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading only; it never waits for the writer."""
        with self.engine.connect().execution_options(read_only=True) as connection:
            yield connection

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def _configure_sqlite(connection: object, _record: object, *, synchronous: Synchronous) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # we begin transactions ourselves
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
