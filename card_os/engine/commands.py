"""The closed union of the card's commands, as values. ``parsing`` makes them; handlers match them and never see P1 or P2.

``secured`` is the whole command where it came with line protection: its MAC is checked by the handler that knows the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import TypeAlias

from card_os.crypto.purse import TransactionType
from card_os.crypto.secret import Secret
from card_os.wire.apdu import CommandApdu


@dataclass(frozen=True, slots=True)
class SelectFile:
    """``elementary``: only an EF of the current DF is meant."""

    fid: int
    elementary: bool


@dataclass(frozen=True, slots=True)
class SelectName:
    name: bytes
    following: bool


@dataclass(frozen=True, slots=True)
class ReadBinary:
    sfi: int | None
    offset: int
    ne: int | None
    secured: CommandApdu | None


@dataclass(frozen=True, slots=True)
class UpdateBinary:
    sfi: int | None
    offset: int
    data: bytes
    secured: CommandApdu | None


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """By number, or by the record's first byte where ``by_tag``."""

    sfi: int
    number: int
    by_tag: bool
    ne: int | None
    secured: CommandApdu | None


@dataclass(frozen=True, slots=True)
class UpdateRecord:
    """By number, or by the record's first byte where ``by_tag``."""

    sfi: int
    number: int
    by_tag: bool
    data: bytes
    secured: CommandApdu | None


@dataclass(frozen=True, slots=True)
class AppendRecord:
    sfi: int
    data: bytes
    secured: CommandApdu | None


@dataclass(frozen=True, slots=True)
class GetChallenge:
    length: int


@dataclass(frozen=True, slots=True)
class InternalAuthenticate:
    key_id: int
    first: bytes
    second: bytes


@unique
class Computation(IntEnum):
    """P1 of INTERNAL AUTHENTICATE (standards.md §1.1, FMCOS [P])."""

    ENCRYPT = 0x00
    DECRYPT = 0x01
    MAC = 0x02


@dataclass(frozen=True, slots=True)
class InternalCompute:
    """INTERNAL AUTHENTICATE as FMCOS has it."""

    computation: Computation
    key_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ExternalAuthenticate:
    """``second`` is R2 of the social-security form, empty in the FMCOS form."""

    key_id: int
    cryptogram: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class Verify:
    key_id: int
    pin: Secret


@dataclass(frozen=True, slots=True)
class ChangePin:
    key_id: int
    old: Secret
    new: Secret


@dataclass(frozen=True, slots=True)
class ReloadPin:
    key_id: int
    pin: Secret
    mac: bytes


@dataclass(frozen=True, slots=True)
class UnblockPin:
    key_id: int
    secured: CommandApdu


@dataclass(frozen=True, slots=True)
class EraseDirectory:
    pass


@dataclass(frozen=True, slots=True)
class CreateFile:
    fid: int
    structure: int
    parameters: bytes


@dataclass(frozen=True, slots=True)
class WriteKey:
    """``replaces`` is the type of the key to replace, None where one is added."""

    replaces: int | None
    key_id: int
    secured: CommandApdu


@dataclass(frozen=True, slots=True)
class BlockApplication:
    permanent: bool
    secured: CommandApdu


@dataclass(frozen=True, slots=True)
class UnblockApplication:
    secured: CommandApdu


@dataclass(frozen=True, slots=True)
class BlockCard:
    secured: CommandApdu


@dataclass(frozen=True, slots=True)
class GetBalance:
    purse: int
    value: int


@dataclass(frozen=True, slots=True)
class InitializeOnline:
    """FOR LOAD, FOR UNLOAD, and (without amount) FOR UPDATE of the overdraft limit."""

    kind: TransactionType
    key_id: int
    amount_minor: int
    terminal: bytes


@dataclass(frozen=True, slots=True)
class CreditForLoad:
    date: bytes
    time: bytes
    mac2: bytes


@dataclass(frozen=True, slots=True)
class DebitForUnload:
    date: bytes
    time: bytes
    mac2: bytes


@dataclass(frozen=True, slots=True)
class UpdateOverdrawLimit:
    limit_minor: int
    date: bytes
    time: bytes
    mac2: bytes


@dataclass(frozen=True, slots=True)
class InitializeOffline:
    """FOR PURCHASE, FOR CASH WITHDRAW, FOR CAPP PURCHASE."""

    kind: TransactionType
    key_id: int
    amount_minor: int
    terminal: bytes


@dataclass(frozen=True, slots=True)
class UpdateCappCache:
    sfi: int
    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Debit:
    cash: bool
    terminal_sequence: int
    date: bytes
    time: bytes
    mac1: bytes


@dataclass(frozen=True, slots=True)
class GetTransactionProve:
    transaction_type: int
    sequence: int


@dataclass(frozen=True, slots=True)
class SamInitialize:
    """``factors`` as they come: the card's first, then with a key of two levels the issuer's."""

    factors: tuple[bytes, ...]
    card_random: bytes
    offline_sequence: int
    amount_minor: int
    transaction_type: int
    date: bytes
    time: bytes
    key_version: int
    algorithm: int


@dataclass(frozen=True, slots=True)
class SamCredit:
    mac2: bytes


@dataclass(frozen=True, slots=True)
class SamSession:
    """INIT FOR DESCRYPT, and the social-security form of it. ``factors`` as they come: the card's first. ``random`` makes
    a session key of the child; without it the child itself is used."""

    usage: int
    key_id: int
    factors: tuple[bytes, ...]
    random: bytes


@dataclass(frozen=True, slots=True)
class SamEncrypt:
    data: bytes


@dataclass(frozen=True, slots=True)
class SamMac:
    """``blocks`` is padded; ``iv`` one block of 3DES."""

    iv: bytes
    blocks: bytes


Command: TypeAlias = (
    SelectFile
    | SelectName
    | ReadBinary
    | UpdateBinary
    | ReadRecord
    | UpdateRecord
    | AppendRecord
    | GetChallenge
    | InternalAuthenticate
    | InternalCompute
    | ExternalAuthenticate
    | Verify
    | ChangePin
    | ReloadPin
    | UnblockPin
    | CreateFile
    | EraseDirectory
    | WriteKey
    | BlockApplication
    | UnblockApplication
    | BlockCard
    | GetBalance
    | InitializeOnline
    | CreditForLoad
    | DebitForUnload
    | UpdateOverdrawLimit
    | InitializeOffline
    | UpdateCappCache
    | Debit
    | GetTransactionProve
    | SamInitialize
    | SamCredit
    | SamSession
    | SamEncrypt
    | SamMac
)
