"""What a card application needs of an algorithm, in its 3DES and its SM4 form.

A key's header says by its algorithm byte which of them it is used with; INITIALIZE answers the same byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum, unique
from types import MappingProxyType
from typing import Protocol

from card_os.crypto import des, own_sm4_purse, sm4
from card_os.crypto.diversification import child_of_levels, factor_column
from card_os.crypto.mac import cbc_mac, fold, pad80, retail_mac
from card_os.crypto.secret import Secret

MAC_LENGTH = 4


@unique
class Algorithm(IntEnum):
    """The algorithm byte INITIALIZE answers. 00 = 3DES; a real card answered 01 and still used 3DES (standards.md §1.5)."""

    TRIPLE_DES = 0x00
    SM4 = own_sm4_purse.ALGORITHM_BYTE  # ours


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
        """Secure-messaging MAC; ``challenge``, at most a block, makes the IV (standards.md §2.4, §2.6)."""

    def cryptogram(self, key: bytes, challenge: bytes) -> bytes:
        """The 8 bytes of an authentication over ``challenge``, at most a block and completed with 00."""


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

    def cryptogram(self, key: bytes, challenge: bytes) -> bytes:
        return des.encrypt_ecb(key, challenge.ljust(self.block, b"\x00"))


class Sm4Suite:
    """SM4 (standards.md §2.6). The purse and its session keys are ours: ``own_sm4_purse``."""

    algorithm = Algorithm.SM4
    block = sm4.BLOCK

    def child(self, master: bytes, factors: Sequence[bytes]) -> Secret:
        """SM4(MK, f ‖ NOT f), level by level [C]."""
        key = Secret(master)
        for factor in factors:
            key = Secret(sm4.encrypt_ecb(key, factor_column(factor)))
        return key

    def encrypt(self, key: bytes, data: bytes) -> bytes:
        return sm4.encrypt_ecb(key, data)

    def decrypt(self, key: bytes, data: bytes) -> bytes:
        return sm4.decrypt_ecb(key, data)

    def session_key(self, key: bytes, seed: bytes) -> Secret:
        return own_sm4_purse.session_key(key, seed)

    def transaction_mac(self, session_key: bytes, data: bytes) -> bytes:
        return own_sm4_purse.transaction_mac(session_key, data)

    def tac(self, tac_key: bytes, data: bytes) -> bytes:
        return own_sm4_purse.transaction_mac(tac_key, data)

    def line_mac(self, key: bytes, data: bytes, challenge: bytes) -> bytes:
        """The four words of the last block XORed, as third-generation social-security cards do [P]."""
        mac = sm4.cbc_mac(key, pad80(data, self.block), challenge.ljust(self.block, b"\x00"))
        words = [int.from_bytes(mac[at : at + MAC_LENGTH], "big") for at in range(0, self.block, MAC_LENGTH)]
        return (words[0] ^ words[1] ^ words[2] ^ words[3]).to_bytes(MAC_LENGTH, "big")

    def cryptogram(self, key: bytes, challenge: bytes) -> bytes:
        """left8 ⊕ right8 of the encrypted challenge, as ETC cards do [P]."""
        return fold(sm4.encrypt_ecb(key, challenge.ljust(self.block, b"\x00")))


TRIPLE_DES: Suite = TripleDesSuite()
SM4: Suite = Sm4Suite()
SUITES: Mapping[int, Suite] = MappingProxyType({suite.algorithm: suite for suite in (TRIPLE_DES, SM4)})
"""By the algorithm byte."""
