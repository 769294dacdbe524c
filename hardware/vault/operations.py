"""What a dialogue may ask of a vault (``ToVault``), as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hardware.vault.vault import MasterKey, Vault


@dataclass(frozen=True, slots=True)
class ChildKey:
    """Answered with the ``Secret`` of ``Vault.child_key``."""

    master: MasterKey
    factors: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class WrappedMaster:
    """Answered with the bytes of ``Vault.wrapped_master``."""

    master: MasterKey
    under: MasterKey
    factors: tuple[bytes, ...]


VaultOperation: TypeAlias = ChildKey | WrappedMaster


def perform(vault: Vault, operation: VaultOperation) -> bytes:
    """The vault port of ``hardware.readers.drive``. Raises what the vault raises."""
    match operation:
        case ChildKey(master, factors):
            return vault.child_key(master, factors)
        case WrappedMaster(master, under, factors):
            return vault.wrapped_master(master, under=under, factors=factors)
