"""Modules and their health.

Revision 0001, after nothing.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "modules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("version", sa.String(50), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("config", JSONB(), nullable=False),
        sa.Column("last_active", sa.DateTime(timezone=True)),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name="pk_modules"),
        sa.UniqueConstraint("name", name="uq_modules_name"),
    )
    op.create_index("ix_modules_created_at_id", "modules", ["created_at", "id"])
    op.create_index("ix_modules_active_created_at_id", "modules", ["active", "created_at", "id"])
    op.create_table(
        "health_statuses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("module_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.Column(
            "last_updated", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.CheckConstraint(
            "status IN ('healthy', 'degraded', 'offline', 'unknown')",
            name=op.f("ck_health_statuses_status"),
        ),
        sa.ForeignKeyConstraint(
            ["module_id"],
            ["modules.id"],
            name="fk_health_statuses_module_id_modules",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_health_statuses"),
        sa.UniqueConstraint("module_id", name="uq_health_statuses_module_id"),
    )


def downgrade() -> None:
    op.drop_table("health_statuses")
    op.drop_table("modules")
