"""Message authentication codes over DES (standards.md §2.2, §2.4; ISO/IEC 9797-1 algorithms 1 and 3)."""

from __future__ import annotations

from card_os.crypto.des import BLOCK, ZERO_IV, decrypt_ecb, encrypt_cbc, encrypt_ecb
from card_os.crypto.secret import Secret


def pad80(data: bytes, block: int = BLOCK) -> bytes:
    """``data ‖ 80 ‖ 00…`` to whole blocks, always adding at least one byte (ISO/IEC 9797-1 padding method 2)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def cbc_mac(key: bytes, padded: bytes, iv: bytes = ZERO_IV) -> bytes:
    """The last block of DES- or 3DES-CBC, 8 bytes (algorithm 1). ``padded`` is whole blocks."""
    return encrypt_cbc(key, padded, iv)[-BLOCK:]


def retail_mac(key: bytes, padded: bytes, iv: bytes = ZERO_IV) -> bytes:
    """Algorithm 3: DES-CBC with the left half, last block decrypted with the right and encrypted with the left, 8 bytes.

    An 8-byte key gives the plain ``cbc_mac`` (standards.md §2.4).
    """
    if len(key) == BLOCK:
        return cbc_mac(key, padded, iv)
    left, right = key[:BLOCK], key[BLOCK:]
    return encrypt_ecb(left, decrypt_ecb(right, cbc_mac(left, padded, iv)))


def fold(key: bytes) -> Secret:
    """left8 ⊕ right8 of a 16-byte key: the TAC and PIN-reload key (standards.md §2.2)."""
    left, right = int.from_bytes(key[:BLOCK], "big"), int.from_bytes(key[BLOCK:], "big")
    return Secret((left ^ right).to_bytes(BLOCK, "big"))
