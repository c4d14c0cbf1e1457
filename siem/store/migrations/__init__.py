"""The schema of the watch's state, revision by revision (alembic).

:func:`migrate` brings a database to the newest revision, all of it or nothing; the watch calls it at each start. A change of
a table is a new file in ``versions/``; a test compares what the revisions make with the tables that the domains declare.
"""

from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import SQLAlchemyError

from siem.errors import OperationError
from siem.store.database import Database

FOLDER: Final = Path(__file__).parent


def migrate(url: str) -> None:
    """Bring the database at ``url`` (SQLAlchemy's) to the newest revision; does nothing if it is there already.

    Raises OperationError if it cannot be opened, was made by a newer version, or holds tables but no revision.
    """
    database = Database(url)
    try:
        with database.transaction() as connection:
            upgrade(connection)
    except SQLAlchemyError as error:
        raise OperationError("migrating the database", f"{url} ({error})", retry_helps=False) from error
    finally:
        database.close()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """The same inside the caller's transaction, up to ``revision``. Raises OperationError."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current == script.get_current_head():
        return
    if current is None and inspect(connection).get_table_names():
        raise OperationError("migrating the database", f"{connection.engine.url} (it holds tables but no revision)", retry_helps=False)
    try:
        with EnvironmentContext(config, script, fn=lambda now, _: script._upgrade_revs(revision, now)):
            script.run_env()
    except CommandError as error:
        raise OperationError("migrating the database", f"{connection.engine.url} ({error})", retry_helps=False) from error
