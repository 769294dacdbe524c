"""The vault a service of the demonstration was told to use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hardware.vault import demonstration
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, Vault

KINDS = ("software", "pkcs11")


def open_demonstration_vault(kind: str, *, service: str, labels: Iterable[KeyLabel], folder: Path) -> Vault:
    """``software``: in memory. ``pkcs11``: the SoftHSM token ``citycard-<service>`` in ``folder/vault-<service>``, set up when
    missing. Both hold the visible test keys of ``labels``. Raises ``ValueError`` for another kind."""
    if kind == "software":
        return SoftwareVault.demonstration(labels)
    if kind == "pkcs11":
        from hardware.vault.pkcs11 import Pkcs11Vault, set_up_demonstration  # an extra: only where it is asked for

        place, token_label = folder / f"vault-{service}", f"citycard-{service}"
        set_up_demonstration(place, {token_label: labels})
        return Pkcs11Vault.open(place, token_label=token_label, pin=demonstration.PIN)
    raise ValueError(f"vault is {kind!r}; it must be one of {', '.join(KINDS)}")
