"""Block ciphers of the identity application's management key (SP 800-78-4 table 6-2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from card_os.crypto import des
from card_os.crypto.suites import Algorithm

AES_128 = 0x08
"""Algorithm byte in the header of an AES-128 management key: as in SP 800-78-4."""
_ECB = modes.ECB()  # noqa: S305 - single blocks that are random


@dataclass(frozen=True, slots=True)
class BlockCipher:
    """``identifiers``: the algorithm references of GENERAL AUTHENTICATE; 00 is the default, 3DES. Keys have 16 bytes."""

    name: str
    identifiers: frozenset[int]
    block: int
    encrypt: Callable[[bytes, bytes], bytes]


def _aes(key: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES128(key), _ECB).encryptor().update(data)


BLOCK_CIPHERS: dict[int, BlockCipher] = {
    Algorithm.TRIPLE_DES: BlockCipher(
        "two-key 3DES, sent as K1‖K2‖K1", frozenset({0x00, 0x03}), des.BLOCK, des.encrypt_ecb
    ),
    AES_128: BlockCipher("AES-128", frozenset({AES_128}), 16, _aes),
}
"""By the algorithm byte in the key's header."""
