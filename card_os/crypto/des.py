"""Two-key 3DES and single DES in ECB and CBC, without padding.

Keys have 16 bytes (K1‖K2, used as K1‖K2‖K1) or 8 (single DES, run as K‖K‖K). Data is whole 8-byte blocks.
No cipher is cached across calls: a card key lives only as long as its user needs it.
"""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

BLOCK = 8
ZERO_IV = bytes(BLOCK)
_ECB = modes.ECB()  # noqa: S305 - the standards name ECB; what it covers is single blocks or keys


def _algorithm(key: bytes) -> TripleDES:
    if len(key) == 16:
        return TripleDES(bytes(key) + key[:8])
    if len(key) == 8:
        return TripleDES(bytes(key) * 3)
    raise ValueError(f"the key has {len(key)} bytes; DES takes 8 and two-key 3DES takes 16")


def _check_blocks(data: bytes) -> None:
    if len(data) % BLOCK:
        raise ValueError(f"data has {len(data)} bytes; pad it to a multiple of {BLOCK} first")


def encrypt_ecb(key: bytes, data: bytes) -> bytes:
    _check_blocks(data)
    return Cipher(_algorithm(key), _ECB).encryptor().update(data)


def decrypt_ecb(key: bytes, data: bytes) -> bytes:
    _check_blocks(data)
    return Cipher(_algorithm(key), _ECB).decryptor().update(data)


def encrypt_cbc(key: bytes, data: bytes, iv: bytes = ZERO_IV) -> bytes:
    _check_blocks(data)
    return Cipher(_algorithm(key), modes.CBC(iv)).encryptor().update(data)
