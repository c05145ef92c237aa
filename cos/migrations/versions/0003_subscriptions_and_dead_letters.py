"""Subscriptions: how far each group has come, and what it could not handle.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscription_groups",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("rewinds", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("name", name="pk_subscription_groups"),
    )
    op.create_table(
        "subscriptions",
        sa.Column("group_name", sa.String(64), nullable=False),
        sa.Column("module_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("failed_sequence", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_failed_at", sa.DateTime(timezone=True)),
        sa.Column("not_before", sa.DateTime(timezone=True)),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["group_name"],
            ["subscription_groups.name"],
            name="fk_subscriptions_group_name_subscription_groups",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_name", "module_id", name="pk_subscriptions"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("group_name", sa.String(64), nullable=False),
        sa.Column("event_id", sa.Uuid()),
        sa.Column("module_id", sa.Uuid()),
        sa.Column("sequence", sa.BigInteger()),
        sa.Column("type", sa.String(64)),
        sa.Column("occurred_at", sa.DateTime(timezone=True)),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("entry", sa.String(64)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("replays", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "first_failed_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.Column(
            "last_failed_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.Column("replay_requested_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.UniqueConstraint("group_name", "event_id", name="uq_dead_letters_group_name_event_id"),
        sa.UniqueConstraint("group_name", "entry", name="uq_dead_letters_group_name_entry"),
    )
    op.create_index("ix_dead_letters_group_name_id", "dead_letters", ["group_name", "id"])
    op.create_index(
        "ix_dead_letters_group_name_replay_requested_at",
        "dead_letters",
        ["group_name", "replay_requested_at"],
        postgresql_where=sa.text("replay_requested_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("dead_letters")
    op.drop_table("subscriptions")
    op.drop_table("subscription_groups")
