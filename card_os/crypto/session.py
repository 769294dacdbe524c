"""Session keys of a purse transaction (standards.md §2.1, vectors pboc-load-1, pboc-purchase-1)."""

from __future__ import annotations

from card_os.crypto.secret import Secret
from card_os.crypto.suites import TRIPLE_DES, Suite


def load_session_key(load_key: bytes, *, card_random: bytes, online_sequence: int, suite: Suite = TRIPLE_DES) -> Secret:
    """SESLK. ``card_random`` is the 4 bytes of INITIALIZE, ``online_sequence`` the value it answered (before the load)."""
    return suite.session_key(load_key, card_random + online_sequence.to_bytes(2, "big") + b"\x80\x00")


def purchase_session_key(
    purchase_key: bytes,
    *,
    card_random: bytes,
    offline_sequence: int,
    terminal_sequence: int,
    suite: Suite = TRIPLE_DES,
) -> Secret:
    """SESPK of purchase and compound purchase. ``terminal_sequence`` is the PSAM's 4-byte transaction number; its low
    two bytes enter the key."""
    low = terminal_sequence & 0xFFFF
    return suite.session_key(purchase_key, card_random + offline_sequence.to_bytes(2, "big") + low.to_bytes(2, "big"))
