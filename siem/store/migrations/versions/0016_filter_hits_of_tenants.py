"""What filters hid, by tenant: nobody is told what was hidden of another's.

Totals of before belong to the one tenant that there is. Where there are several, nobody knows whose they are, and they are not kept.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    connection = op.get_bind()
    # A tenant of whose alerts a filter hid every one has none.
    known = " UNION ".join(f"SELECT tenant FROM {table}" for table in ("alerts", "users", "dead_letters"))  # names of ours
    tenants = connection.execute(sa.text(known)).scalars().all()
    op.rename_table("filter_hits", "filter_hits_of_all")
    op.create_table(
        "filter_hits",
        sa.Column("filter", sa.String(length=255), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("filter", "rule_id", "tenant"),
    )
    if len(tenants) < 2:
        kept = "INSERT INTO filter_hits SELECT filter, rule_id, :tenant, count, last_at FROM filter_hits_of_all"
        connection.execute(sa.text(kept), {"tenant": tenants[0] if tenants else "default"})
    op.drop_table("filter_hits_of_all")


def downgrade() -> None:
    """Back: the totals of all tenants together."""
    op.rename_table("filter_hits", "filter_hits_of_tenants")
    op.create_table(
        "filter_hits",
        sa.Column("filter", sa.String(length=255), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("filter", "rule_id"),
    )
    op.execute(
        "INSERT INTO filter_hits SELECT filter, rule_id, sum(count), max(last_at) FROM filter_hits_of_tenants GROUP BY filter, rule_id"
    )
    op.drop_table("filter_hits_of_tenants")
