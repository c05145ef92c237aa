"""The announced state of a module, the history of its health, and the search for its name.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATES = "('healthy', 'degraded', 'offline', 'unknown')"


def upgrade() -> None:
    # A trusted extension: who may create in the database may have it.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.add_column(
        "modules",
        sa.Column("state", sa.String(16), server_default="unknown", nullable=False),
    )
    op.create_check_constraint(op.f("ck_modules_state"), "modules", f"state IN {STATES}")
    op.create_index("ix_modules_state_created_at_id", "modules", ["state", "created_at", "id"])
    op.create_index(
        "ix_modules_name_trigrams",
        "modules",
        ["name"],
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.execute("ALTER TABLE modules SET (fillfactor = 80)")
    op.create_table(
        "health_records",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("module_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("previous", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.CheckConstraint(f"status IN {STATES}", name=op.f("ck_health_records_status")),
        sa.CheckConstraint(f"previous IN {STATES}", name=op.f("ck_health_records_previous")),
        sa.CheckConstraint(
            "reason IN ('heartbeat', 'silence')", name=op.f("ck_health_records_reason")
        ),
        sa.ForeignKeyConstraint(
            ["module_id"],
            ["modules.id"],
            name="fk_health_records_module_id_modules",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_health_records"),
        sa.UniqueConstraint("module_id", "at", name="uq_health_records_module_id_at"),
    )


def downgrade() -> None:
    op.drop_table("health_records")
    op.execute("ALTER TABLE modules RESET (fillfactor)")
    op.drop_index("ix_modules_name_trigrams", "modules")
    op.drop_index("ix_modules_state_created_at_id", "modules")
    op.drop_column("modules", "state")
    # Refused where somebody else's index needs it: then it stays, and so does this revision.
    op.execute("DROP EXTENSION pg_trgm")
