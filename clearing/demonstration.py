"""The demonstration's two accounts, with visible passwords. A real deployment seeds none and signs in by OpenID Connect."""

from __future__ import annotations

from collections.abc import Mapping

SETTLEMENT, DEVICES = "settlement", "devices"
ROLES = (SETTLEMENT, DEVICES)
ACCOUNTS: Mapping[str, str] = {"clearing-clerk": "demo-clerk", "clearing-approver": "demo-approver"}
