"""Alerts, incidents, their history, the watch list."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    _create_actors()
    _create_alert_entities()
    _create_alert_events()
    _create_alerts()
    _create_changes()
    _create_incident_entries()
    _create_incidents()
    _create_watch_list()


def downgrade() -> None:
    """Back."""
    op.drop_table("watch_list")
    op.drop_table("incidents")
    op.drop_table("incident_entries")
    op.drop_table("changes")
    op.drop_table("alerts")
    op.drop_table("alert_events")
    op.drop_table("alert_entities")
    op.drop_table("actors")


def _create_actors() -> None:
    op.create_table(
        "actors",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject"),
    )


def _create_alert_entities() -> None:
    op.create_table(
        "alert_entities",
        sa.Column("alert_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "kind", "value"),
    )
    op.create_index("ix_alert_entities_value", "alert_entities", ["kind", "value"], unique=False)


def _create_alert_events() -> None:
    op.create_table(
        "alert_events",
        sa.Column("alert_id", sa.String(length=32), nullable=False),
        sa.Column("event_id", sa.String(length=80), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=True),
        sa.Column("user_id", sa.String(length=128), nullable=True),
        sa.Column("source_ip", sa.String(length=64), nullable=True),
        sa.Column("place", sa.String(length=128), nullable=True),
        sa.Column("service", sa.String(length=128), nullable=True),
        sa.Column("finess", sa.String(length=16), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("alert_id", "event_id"),
    )
    op.create_index("ix_alert_events_event", "alert_events", ["event_id"], unique=False)


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("group_key", sa.String(length=64), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("rule_title", sa.Text(), nullable=False),
        sa.Column("rule_author", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("techniques", sa.Text(), nullable=False),
        sa.Column("subject_field", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("summary_template", sa.Text(), nullable=False),
        sa.Column("summary_values", sa.Text(), nullable=False),
        sa.Column("summary_at", sa.String(length=32), nullable=False),
        sa.Column("peak_count", sa.Integer(), nullable=False),
        sa.Column("repeat_seconds", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=False),
        sa.Column("assignee", sa.String(length=128), nullable=True),
        sa.Column("incident_id", sa.String(length=32), nullable=True),
        sa.Column("finess", sa.String(length=16), nullable=True),
        sa.Column("first_at", sa.String(length=32), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("closed_at", sa.String(length=32), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("matched_fields", sa.Text(), nullable=False),
        sa.Column("group_values", sa.Text(), nullable=False),
        sa.Column("merged_into", sa.String(length=32), nullable=True),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alerts_group_key", "alerts", ["group_key"], unique=False)
    op.create_index("ix_alerts_incident", "alerts", ["incident_id"], unique=False)
    op.create_index("ix_alerts_queue", "alerts", ["tenant", "state", "severity_rank", "last_at"], unique=False)


def _create_changes() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("object_type", sa.String(length=32), nullable=False),
        sa.Column("object_id", sa.String(length=128), nullable=False),
        sa.Column("field", sa.String(length=64), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_changes_object", "changes", ["object_type", "object_id"], unique=False)


def _create_incident_entries() -> None:
    op.create_table(
        "incident_entries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("incident_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_incident_entries_incident", "incident_entries", ["incident_id", "at"], unique=False)


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("severity_overruled", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("assignee", sa.String(length=128), nullable=True),
        sa.Column("finess", sa.String(length=16), nullable=True),
        sa.Column("techniques", sa.Text(), nullable=False),
        sa.Column("entities", sa.Text(), nullable=False),
        sa.Column("qualification", sa.Text(), nullable=False),
        sa.Column("risk", sa.Integer(), nullable=False),
        sa.Column("alert_count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.String(length=32), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("detected_at", sa.String(length=32), nullable=False),
        sa.Column("aware_at", sa.String(length=32), nullable=True),
        sa.Column("closed_at", sa.String(length=32), nullable=True),
        sa.Column("merged_into", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "number", name="uq_incidents_number"),
    )
    op.create_index("ix_incidents_merged", "incidents", ["merged_into"], unique=False)
    op.create_index("ix_incidents_queue", "incidents", ["tenant", "state", "severity_rank", "last_at"], unique=False)


def _create_watch_list() -> None:
    op.create_table(
        "watch_list",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=128), nullable=False),
        sa.Column("from_at", sa.String(length=32), nullable=False),
        sa.Column("until_at", sa.String(length=32), nullable=False),
        sa.Column("incident_id", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("ended_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("reference", "user_id", name="uq_watch_list_reference"),
    )
    op.create_index("ix_watch_list_user", "watch_list", ["tenant", "user_id"], unique=False)
