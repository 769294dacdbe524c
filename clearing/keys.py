"""Clearing's vault, as its endpoints reach it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from hardware.vault.vault import Vault


async def vault(request: Request) -> Vault:
    """FastAPI dependency: what the app was started with, in ``app.state.vault``."""
    found: Vault = request.app.state.vault
    return found


VaultDep = Annotated[Vault, Depends(vault)]
