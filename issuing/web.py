"""What issuing's endpoints share: who is asking, the vault, the audit trail."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from backoffice.staff import Staff
from backoffice.web import require_role
from hardware.vault.vault import Vault

CLERK = "clerk"
APPROVER = "approver"

Clerk = Annotated[Staff, Depends(require_role(CLERK))]
Approver = Annotated[Staff, Depends(require_role(APPROVER))]
ClerkOrApprover = Annotated[Staff, Depends(require_role(CLERK, APPROVER))]


async def vault(request: Request) -> Vault:
    """FastAPI dependency: issuing's vault."""
    found: Vault = request.app.state.vault
    return found


VaultDep = Annotated[Vault, Depends(vault)]
