"""Unload and overdraft: no source gives their session keys, MACs and TAC, so they are defined here and nowhere else. OURS
(standards.md §2.1, §2.3, §8.8). Each is the load's form with the transaction's own key and type byte, because the PBOC
tables give these commands the load's fields; whoever has the standard corrects this file.

Session key: the load's (random ‖ on-line sequence ‖ 8000) under the unload (3D) or overdraft (3C) key. Amounts, balances and
limits are fen; ``terminal`` 6 bytes, ``date`` 4, ``time`` 3 (BCD); the sequence is the value before counting up.
"""

from __future__ import annotations

from typing import Any

from card_os.crypto.purse import TransactionType, load_mac1, load_mac2, load_tac_input
from card_os.crypto.session import load_session_key
from card_os.crypto.suites import TRIPLE_DES, Suite

unload_session_key = load_session_key
overdraft_session_key = load_session_key
unload_mac1 = load_mac1
unload_mac2 = load_mac2


def unload_mac3(session_key: bytes, *, suite: Suite = TRIPLE_DES, **details: Any) -> bytes:
    """Card to host: proves the unload. Input as of the load's TAC, with the balance after; under the session key."""
    return suite.transaction_mac(session_key, load_tac_input(**details))


def _limit(value: int) -> bytes:
    return value.to_bytes(3, "big")


def overdraft_mac1(
    session_key: bytes, *, balance_minor: int, limit_minor: int, terminal: bytes, suite: Suite = TRIPLE_DES
) -> bytes:
    """Card to host: balance4 ‖ limit3 (both as they are) ‖ type ‖ terminal6."""
    data = balance_minor.to_bytes(4, "big") + _limit(limit_minor) + bytes((TransactionType.OVERDRAFT,)) + terminal
    return suite.transaction_mac(session_key, data)


def overdraft_mac2(
    session_key: bytes, *, limit_minor: int, terminal: bytes, date: bytes, time: bytes, suite: Suite = TRIPLE_DES
) -> bytes:
    """Host to card: new limit3 ‖ type ‖ terminal6 ‖ date4 ‖ time3."""
    return suite.transaction_mac(
        session_key, _limit(limit_minor) + bytes((TransactionType.OVERDRAFT,)) + terminal + date + time
    )


def overdraft_tac(
    tac_key: bytes,
    *,
    new_balance_minor: int,
    online_sequence: int,
    limit_minor: int,
    terminal: bytes,
    date: bytes,
    time: bytes,
    suite: Suite = TRIPLE_DES,
) -> bytes:
    """Balance after4 ‖ sequence2 ‖ new limit3 ‖ type ‖ terminal6 ‖ date4 ‖ time3."""
    head = new_balance_minor.to_bytes(4, "big") + online_sequence.to_bytes(2, "big") + _limit(limit_minor)
    return suite.tac(tac_key, head + bytes((TransactionType.OVERDRAFT,)) + terminal + date + time)
