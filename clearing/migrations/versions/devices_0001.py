"""The device register."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from clearing.devices import tables

revision = "devices_0001"
down_revision = None
branch_labels = ("devices",)
depends_on = None


def upgrade() -> None:
    table = tables.DeviceRow.__table__
    assert isinstance(table, Table)
    table.create(op.get_bind())
    grant(table.name, "SELECT, INSERT, UPDATE", schema="clearing")
