"""Cases go to the keeper of the book when their deadline has passed."""

from alembic import op

revision = "cases_0002"
down_revision = "cases_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE clearing.\"case\" ADD COLUMN escalated_to varchar NOT NULL DEFAULT ''")
    op.execute('ALTER TABLE clearing."case" ALTER COLUMN escalated_to DROP DEFAULT')
