"""What the silence of a rule holds back."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    op.add_column("alerts", sa.Column("limit_key", sa.String(length=64), nullable=True))
    op.add_column("alerts", sa.Column("suppressed_count", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_alerts_limit_key", "alerts", ["limit_key"], unique=False)
    op.add_column("alert_events", sa.Column("suppressed", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Back."""
    op.drop_column("alert_events", "suppressed")
    op.drop_index("ix_alerts_limit_key", "alerts")
    op.drop_column("alerts", "suppressed_count")
    op.drop_column("alerts", "limit_key")
