"""Internal and external authentication (standards.md §1.1 FMCOS form, §5.5 social-security form)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SM3, Hash

from card_os.crypto import sm4
from card_os.crypto.suites import TRIPLE_DES, Suite


def external_cryptogram(key: bytes, challenge: bytes, *, suite: Suite = TRIPLE_DES) -> bytes:
    """EXTERNAL AUTHENTICATE, Lc 08: 3DES(key, challenge), or both halves of SM4(key, challenge) XORed (standards.md §2.6);
    a shorter challenge is completed with 00."""
    return suite.cryptogram(key, challenge)


def whole_cryptogram(key: bytes, challenge: bytes) -> bytes:
    """EXTERNAL AUTHENTICATE, Lc 10, of third-generation social-security cards: SM4(key, challenge of 16 bytes)."""
    return sm4.encrypt_ecb(key, challenge)


def pin_cryptogram(pin: bytes, challenge: bytes) -> bytes:
    """VERIFY ``00 20 01 kid 10`` (standards.md §5.6): SM4 of the 16-byte challenge under the left half of SM3(PIN)."""
    return sm4.encrypt_ecb(sm3(pin)[: sm4.BLOCK], challenge)


def sm3(data: bytes) -> bytes:
    """The 32-byte digest (GB/T 32905)."""
    digest = Hash(SM3())
    digest.update(data)
    return digest.finalize()


def social_cryptogram(key: bytes, *, first: bytes, second: bytes, suite: Suite = TRIPLE_DES) -> bytes:
    """DES(3DES(key, first), second), 8 bytes. With SM4: ours, ``own_sm4_purse``.

    Internal authentication: first = R1, second = R2, the answer of ``00 88 00 kid 10 R1‖R2``.
    External authentication: first = the card's 8-byte challenge, second = R2; sent as ``00 82 00 kid 10 C‖R2``.
    """
    return suite.cryptogram(suite.session_key(key, first), second)


def city_factor(region: str) -> bytes:
    """ASCII of the six-digit region ‖ "sx": the first diversification factor of social-security keys."""
    if len(region) != 6 or not region.isdecimal():
        raise ValueError(f"region is {region!r}; it must be six digits (GB/T 2260)")
    return region.encode("ascii") + b"sx"
