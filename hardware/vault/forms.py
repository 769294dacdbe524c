"""Byte forms both vaults share, so that a datum sealed by one is found and read by the other."""

from __future__ import annotations

NONCE_LENGTH = 12  # AES-GCM, NIST SP 800-38D §8.2


def token_input(purpose: str, value: bytes) -> bytes:
    """What the HMAC of a token covers: the purpose, a zero byte (no purpose holds one), the value."""
    return purpose.encode() + b"\x00" + value
