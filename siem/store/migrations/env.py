"""Run by alembic: the revisions, inside the transaction that :func:`siem.store.migrations.upgrade` was given."""

from alembic import context

from siem.store.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
