"""Dossiers, their versions and filings, the desk."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Forward."""
    _create_declaration_dossiers()
    _create_declaration_filings()
    _create_declaration_journal()
    _create_declaration_transmissions()
    _create_declaration_versions()
    _create_desk_declarations()


def downgrade() -> None:
    """Back."""
    op.drop_table("desk_declarations")
    op.drop_table("declaration_versions")
    op.drop_table("declaration_transmissions")
    op.drop_table("declaration_journal")
    op.drop_table("declaration_filings")
    op.drop_table("declaration_dossiers")


def _create_declaration_dossiers() -> None:
    op.create_table(
        "declaration_dossiers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("finess", sa.String(length=9), nullable=True),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("incident_number", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("validated_version", sa.Integer(), nullable=True),
        sa.Column("filed_version", sa.Integer(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("criteria", sa.Text(), nullable=False),
        sa.Column("detected_at", sa.String(length=32), nullable=False),
        sa.Column("aware_at", sa.String(length=32), nullable=True),
        sa.Column("qualified_at", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("updated_at", sa.String(length=32), nullable=False),
        sa.Column("receipt_number", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "incident_id"),
    )
    op.create_index(op.f("ix_declaration_dossiers_finess"), "declaration_dossiers", ["finess"], unique=False)


def _create_declaration_filings() -> None:
    op.create_table(
        "declaration_filings",
        sa.Column("dossier_id", sa.String(length=36), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_subject", sa.Text(), nullable=False),
        sa.Column("started_at", sa.String(length=32), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("receipt_number", sa.String(length=32), nullable=True),
        sa.Column("received_at", sa.String(length=32), nullable=True),
        sa.Column("jws", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("dossier_id", "version_number"),
    )


def _create_declaration_journal() -> None:
    op.create_table(
        "declaration_journal",
        sa.Column("position", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("dossier_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_subject", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index(op.f("ix_declaration_journal_dossier_id"), "declaration_journal", ["dossier_id"], unique=False)


def _create_declaration_transmissions() -> None:
    op.create_table(
        "declaration_transmissions",
        sa.Column("position", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("dossier_id", sa.String(length=36), nullable=False),
        sa.Column("form_id", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index(op.f("ix_declaration_transmissions_dossier_id"), "declaration_transmissions", ["dossier_id"], unique=False)


def _create_declaration_versions() -> None:
    op.create_table(
        "declaration_versions",
        sa.Column("dossier_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("form_id", sa.String(length=64), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("frozen_at", sa.String(length=32), nullable=False),
        sa.Column("frozen_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dossier_id", "number", "form_id"),
    )


def _create_desk_declarations() -> None:
    op.create_table(
        "desk_declarations",
        sa.Column("declaration_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("finess", sa.String(length=9), nullable=False),
        sa.Column("structure_name", sa.Text(), nullable=False),
        sa.Column("region", sa.String(length=8), nullable=False),
        sa.Column("incident_type", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("received_at", sa.String(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("jws", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("declaration_id", "sha256"),
        sa.UniqueConstraint("number", "version_number"),
    )
    op.create_index(op.f("ix_desk_declarations_number"), "desk_declarations", ["number"], unique=False)
