"""What proved a settled transaction; a proposed closing may be withdrawn."""

from alembic import op

revision = "settlement_0002"
down_revision = "settlement_0001"
branch_labels = None
depends_on = None

_WINDOW = "clearing.settlement_window"
_FROZEN = "ck_settlement_window_frozen_when_proposed"


def upgrade() -> None:
    # A database made today has all this from its tables already.
    op.execute(
        "ALTER TABLE clearing.settled_transaction ADD COLUMN IF NOT EXISTS evidence varchar NOT NULL DEFAULT 'OUTCOME'"
    )
    op.execute("ALTER TABLE clearing.settled_transaction ALTER COLUMN evidence DROP DEFAULT")
    op.execute(f"ALTER TABLE {_WINDOW} DROP CONSTRAINT IF EXISTS {_FROZEN}")
    op.execute(
        f"ALTER TABLE {_WINDOW} ADD CONSTRAINT {_FROZEN} CHECK ((state IN ('proposed', 'closed'))"
        " = (proposed_by IS NOT NULL AND manifest IS NOT NULL AND result IS NOT NULL))"
    )
