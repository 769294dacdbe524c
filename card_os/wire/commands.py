"""The commands of this system's cards and PSAMs, built from named values, and the answers read back (standards.md §1, §3).

Amounts are fen; ``terminal`` is the PSAM's 6 bytes, ``date`` 4 and ``time`` 3 BCD bytes; ``purse`` is 1 (ED) or 2 (EP).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from card_os.wire.apdu import CommandApdu
from card_os.wire.identifiers import SFI_TRANSIT_PROCESS, SFI_TRIP_LOG

ELECTRONIC_DEPOSIT = 1
ELECTRONIC_PURSE = 2
CHALLENGE_8 = 8
# PIN UNBLOCK: sources disagree about INS, P1 and P2 (standards.md §1.1 [U], §8.7). Ours: 84 24 00 kid, as VERIFY has its kid in
# P2; data = the new PIN enciphered under the PIN unblock key 37/00 ‖ MAC4 under the same key.
UNBLOCK_PIN_INS = 0x24
UNBLOCK_PIN_P1 = 0x00


def select_fid(fid: int) -> CommandApdu:
    return CommandApdu(0x00, 0xA4, 0x00, 0x00, fid.to_bytes(2, "big"), 256)


def select_name(name: bytes) -> CommandApdu:
    """By AID, whole or its beginning."""
    return CommandApdu(0x00, 0xA4, 0x04, 0x00, name, 256)


def read_binary(sfi: int, *, length: int = 256, offset: int = 0) -> CommandApdu:
    return CommandApdu(0x00, 0xB0, 0x80 | sfi, offset, ne=length)


def update_binary(sfi: int, data: bytes, *, offset: int = 0) -> CommandApdu:
    return CommandApdu(0x00, 0xD6, 0x80 | sfi, offset, data)


def read_record(sfi: int, number: int) -> CommandApdu:
    """Record ``number`` from 1; in a cyclic file 1 is the newest."""
    return CommandApdu(0x00, 0xB2, number, sfi << 3 | 4, ne=256)


def update_record(sfi: int, number: int, data: bytes) -> CommandApdu:
    return CommandApdu(0x00, 0xDC, number, sfi << 3 | 4, data)


def append_record(sfi: int, data: bytes) -> CommandApdu:
    return CommandApdu(0x00, 0xE2, 0x00, sfi << 3, data)


def get_challenge(length: int = CHALLENGE_8) -> CommandApdu:
    """4 or 8 bytes; it serves the next command only."""
    return CommandApdu(0x00, 0x84, 0x00, 0x00, ne=length)


def external_authenticate(key_id: int, cryptogram: bytes) -> CommandApdu:
    """``cryptogram``: ``crypto.authentication.external_cryptogram`` (8 bytes), or ``C‖R2`` (16, social-security form)."""
    return CommandApdu(0x00, 0x82, 0x00, key_id, cryptogram)


def internal_authenticate(key_id: int, first: bytes, second: bytes) -> CommandApdu:
    """Answer: ``crypto.authentication.social_cryptogram`` over R1 = ``first``, R2 = ``second`` (8 bytes each)."""
    return CommandApdu(0x00, 0x88, 0x00, key_id, first + second, 8)


def verify_pin(key_id: int, pin_bcd: bytes) -> CommandApdu:
    return CommandApdu(0x00, 0x20, 0x00, key_id, pin_bcd)


def get_balance(*, purse: int = ELECTRONIC_PURSE, value: int = 0) -> CommandApdu:
    """Answer: 4 bytes. ``value`` 0 = total including overdraft, 3 = actual balance (standards.md §1.2)."""
    return CommandApdu(0x80, 0x5C, value, purse, ne=4)


def _initialize(p1: int, purse: int, key_id: int, amount_minor: int, terminal: bytes, answer: int) -> CommandApdu:
    data = struct.pack(">BI6s", key_id, amount_minor, terminal)
    return CommandApdu(0x80, 0x50, p1, purse, data, answer)


def initialize_for_load(
    *, key_id: int, amount_minor: int, terminal: bytes, purse: int = ELECTRONIC_PURSE
) -> CommandApdu:
    """Answer: ``LoadInitialized``. Amount 0 only asks for the counters."""
    return _initialize(0x00, purse, key_id, amount_minor, terminal, 16)


def initialize_for_unload(*, key_id: int, amount_minor: int, terminal: bytes) -> CommandApdu:
    """Of the deposit account (ED). Answer: ``LoadInitialized``."""
    return _initialize(0x05, ELECTRONIC_DEPOSIT, key_id, amount_minor, terminal, 16)


def debit_for_unload(*, date: bytes, time: bytes, mac2: bytes) -> CommandApdu:
    """Answer: MAC3, 4 bytes."""
    return CommandApdu(0x80, 0x54, 0x03, 0x00, date + time + mac2, 4)


def initialize_for_update(*, key_id: int, terminal: bytes) -> CommandApdu:
    """Of the deposit account's overdraft limit. Answer: ``OverdraftInitialized``."""
    return CommandApdu(0x80, 0x50, 0x04, ELECTRONIC_DEPOSIT, bytes((key_id,)) + terminal, 19)


def update_overdraw_limit(*, limit_minor: int, date: bytes, time: bytes, mac2: bytes) -> CommandApdu:
    """Answer: TAC, 4 bytes."""
    return CommandApdu(0x80, 0x58, 0x00, 0x00, limit_minor.to_bytes(3, "big") + date + time + mac2, 4)


def credit_for_load(*, date: bytes, time: bytes, mac2: bytes) -> CommandApdu:
    """Answer: TAC, 4 bytes."""
    return CommandApdu(0x80, 0x52, 0x00, 0x00, date + time + mac2, 4)


def initialize_for_purchase(
    *, key_id: int, amount_minor: int, terminal: bytes, purse: int = ELECTRONIC_PURSE
) -> CommandApdu:
    """Answer: ``PurchaseInitialized``."""
    return _initialize(0x01, purse, key_id, amount_minor, terminal, 15)


def initialize_for_cash(*, key_id: int, amount_minor: int, terminal: bytes) -> CommandApdu:
    """INIT FOR CASH WITHDRAW of the deposit account. Answer: ``PurchaseInitialized``."""
    return _initialize(0x02, ELECTRONIC_DEPOSIT, key_id, amount_minor, terminal, 15)


def initialize_for_compound_purchase(*, key_id: int, amount_minor: int, terminal: bytes) -> CommandApdu:
    """INIT FOR CAPP PURCHASE. Answer: ``PurchaseInitialized``."""
    return _initialize(0x03, ELECTRONIC_PURSE, key_id, amount_minor, terminal, 15)


def cache_transit_process(record: bytes) -> CommandApdu:
    """UPDATE CAPP DATA CACHE of file 1A, record 1 (128 bytes): 80 DC 01 D0 80."""
    return CommandApdu(0x80, 0xDC, 0x01, SFI_TRANSIT_PROCESS << 3, record)


def cache_trip(record: bytes) -> CommandApdu:
    """UPDATE CAPP DATA CACHE: a new record of file 1E (48 bytes): 80 DC 00 F0 30."""
    return CommandApdu(0x80, 0xDC, 0x00, SFI_TRIP_LOG << 3, record)


def debit(*, terminal_sequence: int, date: bytes, time: bytes, mac1: bytes, cash: bool = False) -> CommandApdu:
    """DEBIT FOR PURCHASE and FOR CAPP, or FOR CASH WITHDRAW. Answer: ``Debited``."""
    data = struct.pack(">I4s3s4s", terminal_sequence, date, time, mac1)
    return CommandApdu(0x80, 0x54, 0x02 if cash else 0x01, 0x00, data, 8)


def get_transaction_prove(*, transaction_type: int, sequence: int) -> CommandApdu:
    """``sequence`` as INITIALIZE answered it. Answer: ``Debited`` (MAC2 ‖ TAC), or 9406: that one was not done."""
    return CommandApdu(0x80, 0x5A, 0x00, transaction_type, sequence.to_bytes(2, "big"), 8)


def sam_initialize_for_purchase(
    *,
    card: PurchaseInitialized,
    amount_minor: int,
    transaction_type: int,
    date: bytes,
    time: bytes,
    serial: bytes,
    issuer: bytes,
) -> CommandApdu:
    """INIT SAM FOR PURCHASE, two levels (Lc 24): ``serial`` = 0x15[12..19], ``issuer`` = 0x15[0..7].

    Answer: ``SamInitialized``."""
    data = struct.pack(
        ">4sHIB4s3sBB8s8s",
        card.card_random,
        card.offline_sequence,
        amount_minor,
        transaction_type,
        date,
        time,
        card.key_version,
        card.algorithm,
        serial,
        issuer,
    )
    return CommandApdu(0x80, 0x70, 0x00, 0x00, data, 8)


def sam_credit_for_purchase(mac2: bytes) -> CommandApdu:
    """CREDIT SAM FOR PURCHASE: 9000 = the card's MAC2 is right and the PSAM's number counted up; 9302 = it is not."""
    return CommandApdu(0x80, 0x72, 0x00, 0x00, mac2)


def sam_social_session(*, card_factor: bytes, city_factor: bytes, random: bytes) -> CommandApdu:
    """BF DE: hospital PSAM, session key under the two-level child of its social-internal master (standards.md §5.5)."""
    return CommandApdu(0xBF, 0xDE, 0x48, 0x12, card_factor + city_factor + random)


def sam_session(*, usage: int, key_id: int, factors: Sequence[bytes], random: bytes = b"") -> CommandApdu:
    """INIT FOR DESCRYPT: the key for the next DES CRYPT. ``factors`` of 8 bytes, the card's first, as many as the levels in
    ``usage``; with ``random`` (8 bytes) its session key (standards.md §3)."""
    return CommandApdu(0x80, 0x1A, usage, key_id, b"".join(factors) + random)


def sam_encrypt(data: bytes) -> CommandApdu:
    """DES CRYPT 00: whole blocks under the key begun before. Eight bytes after ``sam_social_session`` equal the card's internal
    authentication."""
    return CommandApdu(0x80, 0xFA, 0x00, 0x00, data, len(data))


def sam_mac(iv: bytes, padded: bytes) -> CommandApdu:
    """DES CRYPT 05: ``iv`` 8 bytes, ``padded`` whole blocks. Answer: 4 bytes."""
    return CommandApdu(0x80, 0xFA, 0x05, 0x00, iv + padded, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadInitialized:
    """INITIALIZE FOR LOAD answered. ``online_sequence`` is the value before the load."""

    balance_minor: int
    online_sequence: int
    key_version: int
    algorithm: int
    card_random: bytes
    mac1: bytes

    @classmethod
    def parse(cls, data: bytes) -> LoadInitialized:
        balance, sequence, version, algorithm, random, mac1 = _unpack(">IHBB4s4s", data)
        return cls(
            balance_minor=balance,
            online_sequence=sequence,
            key_version=version,
            algorithm=algorithm,
            card_random=random,
            mac1=mac1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdraftInitialized:
    """INITIALIZE FOR UPDATE answered; balance and limit are those before."""

    balance_minor: int
    online_sequence: int
    limit_minor: int
    key_version: int
    algorithm: int
    card_random: bytes
    mac1: bytes

    @classmethod
    def parse(cls, data: bytes) -> OverdraftInitialized:
        balance, sequence, limit, version, algorithm, random, mac1 = _unpack(">IH3sBB4s4s", data)
        return cls(
            balance_minor=balance,
            online_sequence=sequence,
            limit_minor=int.from_bytes(limit, "big"),
            key_version=version,
            algorithm=algorithm,
            card_random=random,
            mac1=mac1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseInitialized:
    """INITIALIZE FOR (CAPP) PURCHASE answered. ``offline_sequence`` is the value before the debit."""

    balance_minor: int
    offline_sequence: int
    overdraft: bytes
    key_version: int
    algorithm: int
    card_random: bytes

    @classmethod
    def parse(cls, data: bytes) -> PurchaseInitialized:
        balance, sequence, overdraft, version, algorithm, random = _unpack(">IH3sBB4s", data)
        return cls(
            balance_minor=balance,
            offline_sequence=sequence,
            overdraft=overdraft,
            key_version=version,
            algorithm=algorithm,
            card_random=random,
        )


@dataclass(frozen=True, slots=True)
class SamInitialized:
    """The PSAM's answer to 8070."""

    terminal_sequence: int
    mac1: bytes

    @classmethod
    def parse(cls, data: bytes) -> SamInitialized:
        return cls(*_unpack(">I4s", data))


@dataclass(frozen=True, slots=True)
class Debited:
    """What DEBIT and GET TRANSACTION PROVE answer; **the order differs on the wire**, so each has its own reader."""

    tac: bytes
    mac2: bytes

    @classmethod
    def parse_debit(cls, data: bytes) -> Debited:
        """TAC4 ‖ MAC2(4)."""
        return cls(*_unpack(">4s4s", data))

    @classmethod
    def parse_prove(cls, data: bytes) -> Debited:
        """MAC4 ‖ TAC4; for a load the MAC is the host's MAC2."""
        mac2, tac = _unpack(">4s4s", data)
        return cls(tac, mac2)


class MalformedAnswer(ValueError):
    """A card or PSAM answered 9000 with data of the wrong length."""


def _unpack(form: str, data: bytes) -> tuple[Any, ...]:
    if len(data) != struct.calcsize(form):
        raise MalformedAnswer(f"answer has {len(data)} bytes; it must have {struct.calcsize(form)}")
    return struct.unpack(form, data)
