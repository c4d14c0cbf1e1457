"""Retention: holds on incidents, what was removed, and the clock last believed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "retention_holds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.String(length=128), nullable=False),
        sa.Column("placed_at", sa.String(length=32), nullable=False),
        sa.Column("released_at", sa.String(length=32)),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_retention_holds_incident", "retention_holds", ["incident_id"], unique=False)
    op.create_table(
        "retention_sweeps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("before_at", sa.String(length=32), nullable=False),
        sa.Column("removed_count", sa.Integer(), nullable=False),
        sa.Column("held_count", sa.Integer(), nullable=False),
        sa.Column("begun_at", sa.String(length=32), nullable=False),
        sa.Column("ended_at", sa.String(length=32)),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "retention_clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("believed_at", sa.String(length=32), nullable=False),
        sa.Column("doubted_at", sa.String(length=32)),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("retention_clock")
    op.drop_table("retention_sweeps")
    op.drop_index("ix_retention_holds_incident", table_name="retention_holds")
    op.drop_table("retention_holds")
