"""Whose rules an alert, an incident and a look back show: licences beside authors, for rules that are gone too."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward: incidents take the authors that their alerts name."""
    op.add_column("alerts", sa.Column("rule_licence", sa.Text(), nullable=False, server_default=""))
    op.add_column("incidents", sa.Column("rules", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("history_runs", sa.Column("rule_author", sa.Text(), nullable=False, server_default=""))
    op.add_column("history_runs", sa.Column("rule_licence", sa.Text(), nullable=False, server_default=""))
    connection = op.get_bind()
    found: dict[str, set[tuple[str, ...]]] = {}
    query = "SELECT incident_id, rule_id, rule_title, rule_author FROM alerts WHERE incident_id IS NOT NULL AND merged_into IS NULL"
    for incident_id, *said in connection.execute(sa.text(query)):
        found.setdefault(incident_id, set()).add((*said, ""))
    for incident_id, credits in found.items():
        written = json.dumps(sorted(credits), ensure_ascii=False, separators=(",", ":"))
        connection.execute(sa.text("UPDATE incidents SET rules = :rules WHERE id = :id"), {"rules": written, "id": incident_id})


def downgrade() -> None:
    """Back."""
    op.drop_column("history_runs", "rule_licence")
    op.drop_column("history_runs", "rule_author")
    op.drop_column("incidents", "rules")
    op.drop_column("alerts", "rule_licence")
