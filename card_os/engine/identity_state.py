"""What the identity application remembers while it stays selected and has power."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique


@unique
class Proof(Enum):
    """What the card waits for under the management key."""

    CHALLENGE = "the challenge it gave, encrypted"
    WITNESS = "the witness it gave encrypted, in the clear"


@dataclass(slots=True)
class IdentityState:
    """``pin_fresh``: VERIFY was the command just before. ``pending`` serves one GENERAL AUTHENTICATE."""

    pin: bool = False
    pin_fresh: bool = False
    manager: bool = False
    pending: tuple[Proof, bytes] | None = None
    chain_head: bytes = b""
    chain: bytearray = field(default_factory=bytearray)
