"""MAC1, MAC2 and TAC of load and purchase (standards.md §2.3).

Amounts and balances are fen; ``terminal`` is 6 bytes, ``date`` 4 (BCD YYYYMMDD), ``time`` 3 (BCD hhmmss); sequences are
the values before the card counts up. Every answer has 4 bytes. ``*_input`` functions give the bytes under the MAC, for
bulk verification. The TAC rules have no public vector: regression values agreed by a second implementation hold them.
"""

from __future__ import annotations

from enum import IntEnum, unique

from card_os.crypto.suites import TRIPLE_DES, Suite


@unique
class TransactionType(IntEnum):
    """The type byte of MACs and log records (standards.md §1.2)."""

    DEPOSIT_LOAD = 0x01
    LOAD = 0x02
    UNLOAD = 0x03
    DEPOSIT_CASH = 0x04
    DEPOSIT_PURCHASE = 0x05
    PURCHASE = 0x06
    OVERDRAFT = 0x07
    COMPOUND = 0x09
    MEDICAL_LOAD = 0x31  # of a social-security card's medical account (standards.md §5.5 [P])


def _amount(value: int) -> bytes:
    return value.to_bytes(4, "big")


def load_mac1(
    session_key: bytes,
    *,
    balance_minor: int,
    amount_minor: int,
    transaction_type: int,
    terminal: bytes,
    suite: Suite = TRIPLE_DES,
) -> bytes:
    """Card to host: proves the card and its balance before the load."""
    data = _amount(balance_minor) + _amount(amount_minor) + bytes((transaction_type,)) + terminal
    return suite.transaction_mac(session_key, data)


def load_mac2(
    session_key: bytes,
    *,
    amount_minor: int,
    transaction_type: int,
    terminal: bytes,
    date: bytes,
    time: bytes,
    suite: Suite = TRIPLE_DES,
) -> bytes:
    """Host to card: permits the load."""
    return suite.transaction_mac(
        session_key, _amount(amount_minor) + bytes((transaction_type,)) + terminal + date + time
    )


def load_tac_input(
    *,
    new_balance_minor: int,
    online_sequence: int,
    amount_minor: int,
    transaction_type: int,
    terminal: bytes,
    date: bytes,
    time: bytes,
) -> bytes:
    """24 bytes."""
    return (
        _amount(new_balance_minor)
        + online_sequence.to_bytes(2, "big")
        + _amount(amount_minor)
        + bytes((transaction_type,))
        + terminal
        + date
        + time
    )


def load_tac(
    tac_key: bytes,
    *,
    new_balance_minor: int,
    online_sequence: int,
    amount_minor: int,
    transaction_type: int,
    terminal: bytes,
    date: bytes,
    time: bytes,
    suite: Suite = TRIPLE_DES,
) -> bytes:
    """The card's proof that the load was done. ``tac_key`` has 16 bytes, unfolded."""
    data = load_tac_input(
        new_balance_minor=new_balance_minor,
        online_sequence=online_sequence,
        amount_minor=amount_minor,
        transaction_type=transaction_type,
        terminal=terminal,
        date=date,
        time=time,
    )
    return suite.tac(tac_key, data)


def purchase_mac1(
    session_key: bytes,
    *,
    amount_minor: int,
    transaction_type: int,
    terminal: bytes,
    date: bytes,
    time: bytes,
    suite: Suite = TRIPLE_DES,
) -> bytes:
    """PSAM to card: permits the debit. Also of compound purchases (type 09)."""
    data = _amount(amount_minor) + bytes((transaction_type,)) + terminal + date + time
    return suite.transaction_mac(session_key, data)


def purchase_mac2(session_key: bytes, *, amount_minor: int, suite: Suite = TRIPLE_DES) -> bytes:
    """Card to PSAM: proves the debit."""
    return suite.transaction_mac(session_key, _amount(amount_minor))


def purchase_tac_input(
    *, amount_minor: int, transaction_type: int, terminal: bytes, terminal_sequence: int, date: bytes, time: bytes
) -> bytes:
    """22 bytes."""
    sequence = terminal_sequence.to_bytes(4, "big")
    return _amount(amount_minor) + bytes((transaction_type,)) + terminal + sequence + date + time


def purchase_tac(
    tac_key: bytes,
    *,
    amount_minor: int,
    transaction_type: int,
    terminal: bytes,
    terminal_sequence: int,
    date: bytes,
    time: bytes,
    suite: Suite = TRIPLE_DES,
) -> bytes:
    """The card's claim for the settlement. ``tac_key`` has 16 bytes, unfolded."""
    data = purchase_tac_input(
        amount_minor=amount_minor,
        transaction_type=transaction_type,
        terminal=terminal,
        terminal_sequence=terminal_sequence,
        date=date,
        time=time,
    )
    return suite.tac(tac_key, data)
