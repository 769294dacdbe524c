"""Participants and tariffs. What was published stays as it was."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from clearing.participants import tables

revision = "participants_0001"
down_revision = None
branch_labels = ("participants",)
depends_on = None


def upgrade() -> None:
    for row in (tables.CityRow, tables.TariffRow):
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, "SELECT, INSERT", schema="clearing")
