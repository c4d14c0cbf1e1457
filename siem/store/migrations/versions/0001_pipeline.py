"""What the pipeline keeps: position, counters, dead letters, identities."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    _create_dead_letters()
    _create_identities()
    _create_identity_revelations()
    _create_pipeline_counters()
    _create_pipeline_positions()
    _create_pipeline_states()


def downgrade() -> None:
    """Back."""
    op.drop_table("pipeline_states")
    op.drop_table("pipeline_positions")
    op.drop_table("pipeline_counters")
    op.drop_table("identity_revelations")
    op.drop_table("identities")
    op.drop_table("dead_letters")


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("received_at", sa.String(length=32), nullable=False),
        sa.Column("dropped_at", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sequence"),
    )
    op.create_index(op.f("ix_dead_letters_source"), "dead_letters", ["source"], unique=False)


def _create_identities() -> None:
    op.create_table(
        "identities",
        sa.Column("pseudonym", sa.String(length=16), nullable=False),
        sa.Column("field", sa.String(length=64), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("pseudonym"),
    )


def _create_identity_revelations() -> None:
    op.create_table(
        "identity_revelations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pseudonym", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_identity_revelations_pseudonym"), "identity_revelations", ["pseudonym"], unique=False)


def _create_pipeline_counters() -> None:
    op.create_table(
        "pipeline_counters",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("source", "outcome", "reason"),
    )


def _create_pipeline_positions() -> None:
    op.create_table(
        "pipeline_positions",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _create_pipeline_states() -> None:
    op.create_table(
        "pipeline_states",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
