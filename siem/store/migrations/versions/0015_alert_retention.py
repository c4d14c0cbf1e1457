"""Retention of closed alerts: they are found by when they were closed, and those that are gone are counted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "removed_alerts",
        sa.Column("group_key", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("group_key"),
    )
    op.create_index("ix_alerts_closed", "alerts", ["closed_at"], unique=False)


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_alerts_closed", table_name="alerts")
    op.drop_table("removed_alerts")
