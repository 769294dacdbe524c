"""What a card application needs of an algorithm, and its 3DES form. SM4 follows as a second ``Suite``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, unique
from typing import Protocol

from card_os.crypto import des
from card_os.crypto.diversification import child_of_levels
from card_os.crypto.mac import cbc_mac, fold, pad80, retail_mac
from card_os.crypto.secret import Secret

MAC_LENGTH = 4


@unique
class Algorithm(IntEnum):
    """The algorithm byte INITIALIZE answers. 00 = 3DES; a real card answered 01 and still used 3DES (standards.md §1.5)."""

    TRIPLE_DES = 0x00


class Suite(Protocol):
    """Keys go in as bytes, MACs come out as 4 bytes, keys as ``Secret``."""

    algorithm: Algorithm
    block: int

    def child(self, master: bytes, factors: Sequence[bytes]) -> Secret:
        """Diversify level by level (standards.md §2.5)."""

    def encrypt(self, key: bytes, data: bytes) -> bytes:
        """ECB over whole blocks."""

    def decrypt(self, key: bytes, data: bytes) -> bytes:
        """ECB over whole blocks."""

    def session_key(self, key: bytes, seed: bytes) -> Secret:
        """SESLK or SESPK from its seed block (standards.md §2.1)."""

    def transaction_mac(self, session_key: bytes, data: bytes) -> bytes:
        """MAC1 and MAC2 (standards.md §2.2)."""

    def tac(self, tac_key: bytes, data: bytes) -> bytes:
        """The transaction authentication code under the 16-byte TAC key."""

    def line_mac(self, key: bytes, data: bytes, challenge: bytes) -> bytes:
        """Secure-messaging MAC; ``challenge`` of 4 or 8 bytes makes the IV (standards.md §2.4)."""


class TripleDesSuite:
    """Two-key 3DES (standards.md §2.1 to §2.5)."""

    algorithm = Algorithm.TRIPLE_DES
    block = des.BLOCK

    def child(self, master: bytes, factors: Sequence[bytes]) -> Secret:
        return child_of_levels(master, factors)

    def encrypt(self, key: bytes, data: bytes) -> bytes:
        return des.encrypt_ecb(key, data)

    def decrypt(self, key: bytes, data: bytes) -> bytes:
        return des.decrypt_ecb(key, data)

    def session_key(self, key: bytes, seed: bytes) -> Secret:
        return Secret(des.encrypt_ecb(key, seed))

    def transaction_mac(self, session_key: bytes, data: bytes) -> bytes:
        return cbc_mac(session_key, pad80(data))[:MAC_LENGTH]

    def tac(self, tac_key: bytes, data: bytes) -> bytes:
        return cbc_mac(fold(tac_key), pad80(data))[:MAC_LENGTH]

    def line_mac(self, key: bytes, data: bytes, challenge: bytes) -> bytes:
        return retail_mac(key, pad80(data), challenge.ljust(self.block, b"\x00"))[:MAC_LENGTH]


TRIPLE_DES: Suite = TripleDesSuite()
