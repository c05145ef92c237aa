"""Events: the outbox and its partitions.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# cos.events.event.PARTITIONS, as it was when this was written.
PARTITIONS = 8


def upgrade() -> None:
    op.add_column(
        "modules",
        sa.Column("event_sequence", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.create_table(
        "event_partitions",
        sa.Column("partition", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last_stream_id", sa.String(41)),
        sa.PrimaryKeyConstraint("partition", name="pk_event_partitions"),
    )
    op.execute(
        f"INSERT INTO event_partitions (partition) SELECT generate_series(0, {PARTITIONS - 1})"
    )
    op.create_table(
        "events",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("module_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column(
            "occurred_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("correlation_id", sa.String(128), nullable=False),
        sa.Column("payload", JSONB(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sa.Column("stream_id", sa.String(41)),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_events_sequence")),
        sa.PrimaryKeyConstraint("position", name="pk_events"),
        sa.UniqueConstraint("id", name="uq_events_id"),
        sa.UniqueConstraint("module_id", "sequence", name="uq_events_module_id_sequence"),
    )
    op.create_index(
        "ix_events_partition_position",
        "events",
        ["partition", "position"],
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_index("ix_events_published_at", "events", ["published_at"])
    # Once for each statement, sent at the commit: a rolled back event wakes nobody.
    op.execute(
        "CREATE FUNCTION cos_notify_events() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_notify('cos_events', ''); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER notify AFTER INSERT ON events"
        " FOR EACH STATEMENT EXECUTE FUNCTION cos_notify_events()"
    )


def downgrade() -> None:
    op.drop_table("events")
    op.execute("DROP FUNCTION cos_notify_events()")
    op.drop_table("event_partitions")
    op.drop_column("modules", "event_sequence")
