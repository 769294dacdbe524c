"""The demonstration's accounts, with visible passwords: two of the clearing house, one of an operator."""

from __future__ import annotations

from collections.abc import Mapping

from backoffice.staff import DemonstrationAccount

SETTLEMENT, DEVICES = "settlement", "devices"
ROLES = (SETTLEMENT, DEVICES)
ACCOUNTS: Mapping[str, DemonstrationAccount] = {
    "clearing-clerk": DemonstrationAccount("demo-clerk", ROLES),
    "clearing-approver": DemonstrationAccount("demo-approver", ROLES),
    "bus-a-clerk": DemonstrationAccount("demo-bus-a", ("operator:bus-a",)),
}
