"""Internal and external authentication (standards.md §1.1 FMCOS form, §5.5 social-security form)."""

from __future__ import annotations

from card_os.crypto.des import BLOCK
from card_os.crypto.suites import TRIPLE_DES, Suite


def external_cryptogram(key: bytes, challenge: bytes, *, suite: Suite = TRIPLE_DES) -> bytes:
    """EXTERNAL AUTHENTICATE, Lc 08: 3DES(key, challenge); a 4-byte challenge is completed with 00."""
    return suite.encrypt(key, challenge.ljust(BLOCK, b"\x00"))


def social_cryptogram(key: bytes, *, first: bytes, second: bytes, suite: Suite = TRIPLE_DES) -> bytes:
    """DES(3DES(key, first), second), 8 bytes.

    Internal authentication: first = R1, second = R2, the answer of ``00 88 00 kid 10 R1‖R2``.
    External authentication: first = the card's 8-byte challenge, second = R2; sent as ``00 82 00 kid 10 C‖R2``.
    """
    return suite.encrypt(suite.session_key(key, first), second)


def city_factor(region: str) -> bytes:
    """ASCII of the six-digit region ‖ "sx": the first diversification factor of social-security keys."""
    if len(region) != 6 or not region.isdecimal():
        raise ValueError(f"region is {region!r}; it must be six digits (GB/T 2260)")
    return region.encode("ascii") + b"sx"
