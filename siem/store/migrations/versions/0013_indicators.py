"""Sets of indicators that were compared with history, and what each has matched."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "indicator_sets_in_force",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("lineage", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("since_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("history_runs", sa.Column("set_name", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("history_runs", sa.Column("set_lineage", sa.String(length=32), nullable=False, server_default=""))
    op.add_column("history_runs", sa.Column("set_after", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("history_runs", sa.Column("set_up_to", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Back."""
    op.drop_column("history_runs", "set_up_to")
    op.drop_column("history_runs", "set_after")
    op.drop_column("history_runs", "set_lineage")
    op.drop_column("history_runs", "set_name")
    op.drop_table("indicator_sets_in_force")
