"""How many matches each filter hid."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "filter_hits",
        sa.Column("filter", sa.String(length=255), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("filter", "rule_id"),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("filter_hits")
