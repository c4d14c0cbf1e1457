"""Risk by person, patient, device and establishment."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "entity_risks",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("rank", sa.Float(), nullable=False),
        sa.Column("alert_count", sa.Integer(), nullable=False),
        sa.Column("half_life_seconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "value"),
    )
    op.create_index("ix_entity_risks_rank", "entity_risks", ["tenant", "rank"], unique=False)


def downgrade() -> None:
    """Back."""
    op.drop_table("entity_risks")
