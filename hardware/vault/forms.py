"""Byte forms both vaults share, so that a datum sealed by one is found and read by the other."""

from __future__ import annotations

NONCE_LENGTH = 12  # AES-GCM, NIST SP 800-38D §8.2
BLOCK_LENGTH = 8


def token_input(purpose: str, value: bytes) -> bytes:
    """What the HMAC of a token covers: the purpose, a zero byte (no purpose holds one), the value."""
    return purpose.encode() + b"\x00" + value


def key_block(header: bytes, key: bytes) -> bytes:
    """The plaintext of an encrypted WRITE KEY (standards.md §2.4): length ‖ header ‖ key, padded 80 00… to blocks."""
    content = bytes((len(header) + len(key),)) + header + key + b"\x80"
    return content + bytes(-len(content) % BLOCK_LENGTH)
