"""The two accounts of the demonstration, with visible passwords. A real deployment signs in by OpenID Connect."""

from __future__ import annotations

from collections.abc import Mapping

from backoffice.database import Database
from backoffice.staff import DemonstrationAccount
from issuing.base import accounts
from issuing.web import APPROVER, CLERK

ACCOUNTS: Mapping[str, DemonstrationAccount] = {
    "issuing-clerk": DemonstrationAccount("demo-clerk", (CLERK,)),
    "issuing-approver": DemonstrationAccount("demo-approver", (APPROVER,)),
}


async def seed(database: Database) -> None:
    """Add the accounts where they are missing."""
    async with database.transaction() as session:
        for name, account in ACCOUNTS.items():
            await accounts.seed(session, name, account.password, account.roles)
