"""SM4 (GB/T 32907) in ECB and CBC, without padding. Keys and blocks have 16 bytes; data is whole blocks.

No cipher is cached across calls: a card key lives only as long as its user needs it.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 16
ZERO_IV = bytes(BLOCK)
_ECB = modes.ECB()  # noqa: S305 - the standards name ECB; what it covers is single blocks or keys


def _check_blocks(data: bytes) -> None:
    if len(data) % BLOCK:
        raise ValueError(f"data has {len(data)} bytes; pad it to a multiple of {BLOCK} first")


def encrypt_ecb(key: bytes, data: bytes) -> bytes:
    _check_blocks(data)
    return Cipher(algorithms.SM4(bytes(key)), _ECB).encryptor().update(data)


def decrypt_ecb(key: bytes, data: bytes) -> bytes:
    _check_blocks(data)
    return Cipher(algorithms.SM4(bytes(key)), _ECB).decryptor().update(data)


def cbc_mac(key: bytes, padded: bytes, iv: bytes = ZERO_IV) -> bytes:
    """The last block of SM4-CBC, 16 bytes."""
    _check_blocks(padded)
    return Cipher(algorithms.SM4(bytes(key)), modes.CBC(iv)).encryptor().update(padded)[-BLOCK:]
