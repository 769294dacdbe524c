"""What the kit's files hold: every conversation as a value. ``kit_reading`` reads them.

A file (TOML) has ``about``, ``[let]`` (names for recurring hex; those of ``names.toml`` are for all), ``[defaults]`` for its
conversations, ``[never]`` (status words that our card never answers, and why) and ``[[conversation]]`` with

- ``name``, ``clause``: what is shown; the clause is where the behaviour is written down;
- ``card``: whom it speaks to, a ``CardKind``; ``sam``: the PSAM in the other slot, if any;
- ``fresh``: needs a card as it left the office, so not one that is already in somebody's reader;
- ``dangerous``: what it does to the card, where it changes anything that outlives a reset;
- ``random``: hex our card's random source repeats for ever, where the answers depend on it (implies ``fresh``);
- ``raw``: 61xx and 6Cxx are part of the conversation and not resolved by the reader's side;
- ``steps``: ``send`` (hex, or RESET), ``sw``, ``data`` (see ``patterns``), ``why``, ``to`` = "sam" for the other slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique

RESET = "RESET"
CHANGING = frozenset(bytes.fromhex("0E161820242A2C4752545E58828797D0D4D6DBDCE0E2FAFBFEFF1E"))
"""INS bytes that may change a card or cost one of its tries: who sends them to a card in a reader must say so."""


@unique
class CardKind(StrEnum):
    """Whom a conversation is for."""

    T_UNION = "t-union"  # any T-Union card; ours is one
    CITIZEN = "citizen"  # the demonstration's citizen card number 1
    PUBLISHED_KEY = "published-key"  # the same with the load and purchase key of the published PBOC examples
    DEPOSIT = "deposit"  # the published keys also for unload and overdraft, and a deposit account with log 10
    SM4 = "sm4"  # the demonstration's card number 1 with SM4 keys: the visible test masters themselves
    AREAS = "areas"  # the demonstration's card number 1 with every social-security area
    CONTACT_T1 = "t1"  # the demonstration's citizen card number 1 speaking T=1
    WORN_OUT = "worn-out"  # the same with both transaction counters at their end
    TRANSIT_SAM = "transit-sam"
    HOSPITAL_SAM = "hospital-sam"
    BLANK = "blank"
    PIV = "piv"  # any card with a PIV application; our identity application is one
    IDENTITY = "identity"  # the demonstration's card number 1 with the identity application


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``data`` None: whatever the answer carries. ``sw`` None belongs to RESET."""

    send: str
    sw: str | None
    data: str | None
    why: str
    to_sam: bool

    @property
    def is_reset(self) -> bool:
        return self.send == RESET


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Begins after a reset."""

    name: str
    clause: str
    card: CardKind
    steps: tuple[Step, ...]
    sam: CardKind | None = None
    fresh: bool = False
    dangerous: str = ""
    random: bytes = b""
    raw: bool = False
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_fresh_card(self) -> bool:
        return self.fresh or bool(self.random) or self.sam is not None
