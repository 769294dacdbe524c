"""The door to the keys. Masters never come through it; a card's own key does, for as long as one card is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Protocol

from card_os.crypto.secret import Secret
from card_os.crypto.suites import Algorithm


@unique
class KeyLabel(StrEnum):
    """What a master key is for. design.md, "Who holds which key", says which vault holds which."""

    TRANSPORT = "transport"  # opens a blank card or SAM from stock; one level, by chip serial
    MAINTENANCE = "maintenance"  # line protection of a personalised card's files, keys and locks
    PIN_UNBLOCK = "pin-unblock"
    PIN_RELOAD = "pin-reload"
    APPLICATION = "application"  # external authentication for updating the transit application
    PURCHASE = "purchase"
    LOAD = "load"
    TAC = "tac"
    SAM_MAINTENANCE = "sam-maintenance"
    SOCIAL_INTERNAL = "social-internal"  # internal authentication of the social-security application
    IDENTITY_MANAGEMENT = "identity-management"  # management key 9B of the identity application
    SOCIAL_UPDATE = "social-update"  # external authentication for writing EF06 (standards.md §5.2: UK)


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The name of a 16-byte master in a vault. It is used with one algorithm."""

    label: KeyLabel
    version: int = 1
    algorithm: Algorithm = Algorithm.TRIPLE_DES

    def __str__(self) -> str:
        used_with = "" if self.algorithm is Algorithm.TRIPLE_DES else f" for {self.algorithm.name}"
        return f"{self.label} version {self.version}{used_with}"


class UnknownKey(LookupError):
    """This vault does not hold that master."""


class Vault(Protocol):
    """Holds masters. ``factors`` are 8-byte diversification factors in the order they are applied: issuer (or city)
    first, card last; each level is child = E(parent, f ‖ NOT f) with the master's algorithm: two blocks of 3DES, one of SM4
    (standards.md §2.5, §2.6). Every call raises ``UnknownKey`` for a master that is not here and ``ValueError`` for a factor
    that is not 8 bytes."""

    def child_key(self, master: MasterKey, factors: Sequence[bytes]) -> Secret:
        """The 16-byte key at the end of ``factors`` (at least one)."""

    def child_keys(self, master: MasterKey, factors: Sequence[bytes], column: bytes) -> Secret:
        """``child_key`` for a whole column at once: ``column`` is n last-level factors of 8 bytes, the answer n keys
        of 16 bytes in the same order. The last level is one encryption call over the column."""

    def wrapped_master(self, master: MasterKey, *, under: MasterKey, factors: Sequence[bytes]) -> bytes:
        """``master`` as a SAM loads it: its 16 bytes under the child of ``under`` at ``factors``, in ECB with the algorithm of
        ``under``. The clear value does not leave the vault."""

    def seal(self, purpose: str, plaintext: bytes) -> bytes:
        """Encrypt a datum at rest (AES-256-GCM, random nonce first) bound to ``purpose``."""

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """The datum back. Raises ``ValueError`` when it was altered or sealed for another purpose."""

    def token(self, purpose: str, value: bytes) -> bytes:
        """A keyed 32-byte fingerprint (HMAC-SHA-256): equal values find one another, nobody else reads them."""
