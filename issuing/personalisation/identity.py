"""Who a chip is going to be, and which key of which master that gives it (docs/doors.md, "Keys")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from card_os.crypto.authentication import city_factor
from card_os.profile.files import KeySpec, KeyType
from hardware.vault.operations import ChildKey, WrappedMaster
from hardware.vault.vault import KeyLabel, MasterKey

# Ours (docs/doors.md): issuer 0199, city 1000, FFFFFFFF as T-Union cards carry it.
ISSUER = bytes.fromhex("01991000FFFFFFFF")
REGION = "110000"
_FACTOR_LENGTH = 8
# A PSAM holds these as masters; every other key on a chip is its own.
_MASTERS_IN_A_SAM = frozenset({KeyType.SAM_PURCHASE, KeyType.SAM_SESSION})


@dataclass(frozen=True, slots=True)
class Identity:
    """``serial`` is the card's application serial or the SAM's serial (10 bytes), ``chip_serial`` the chip maker's (8)."""

    chip_serial: bytes
    serial: bytes
    issuer: bytes = ISSUER
    region: str = REGION

    @property
    def serial_factor(self) -> bytes:
        return self.serial[-_FACTOR_LENGTH:]


def _by_issuer(identity: Identity) -> tuple[bytes, ...]:
    return identity.issuer, identity.serial_factor


def _by_city(identity: Identity) -> tuple[bytes, ...]:
    return city_factor(identity.region), identity.chip_serial


def _by_chip(identity: Identity) -> tuple[bytes, ...]:
    return (identity.chip_serial,)


_FACTORS: Mapping[KeyLabel, Callable[[Identity], tuple[bytes, ...]]] = {
    KeyLabel.TRANSPORT: _by_chip,
    KeyLabel.SOCIAL_INTERNAL: _by_city,
    KeyLabel.SOCIAL_UPDATE: _by_city,
}


def child(label: KeyLabel, identity: Identity, version: int = 1) -> ChildKey:
    """The chip's own key of ``label``."""
    return ChildKey(MasterKey(label, version), _FACTORS.get(label, _by_issuer)(identity))


def is_master(key: KeySpec) -> bool:
    """Whether a SAM gets the master itself, wrapped."""
    return key.type in _MASTERS_IN_A_SAM


def wrapped_master(key: KeySpec, identity: Identity) -> WrappedMaster:
    """The master of ``key`` under the blank's transport key."""
    under = child(KeyLabel.TRANSPORT, identity)
    return WrappedMaster(MasterKey(KeyLabel(key.label), key.version), under.master, under.factors)
