"""Since when a device is lost: what it did before stays good."""

from alembic import op

revision = "devices_0002"
down_revision = "devices_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A database made today has all this from its tables already.
    op.execute("ALTER TABLE clearing.device ADD COLUMN IF NOT EXISTS lost_at timestamptz")
    op.execute("UPDATE clearing.device SET lost_at = now() WHERE state = 'lost' AND lost_at IS NULL")
    op.execute("ALTER TABLE clearing.device DROP CONSTRAINT IF EXISTS ck_device_lost_since")
    op.execute(
        "ALTER TABLE clearing.device ADD CONSTRAINT ck_device_lost_since"
        " CHECK ((state = 'lost') = (lost_at IS NOT NULL))"
    )
