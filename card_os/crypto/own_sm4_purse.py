"""What no public source gives of an SM4 card, defined here and nowhere else. OURS (standards.md §2.6, §8.4, §8.10).

JT/T 978.6-2015 (clauses 6.2, 9.2, annex B) has the real rules; whoever has bought it corrects this file, and nothing else
has to change: commands, fields and inputs of MAC1, MAC2 and TAC are those of the 3DES purse (standards.md §2.3).

- Session key: SM4(key, seed ‖ NOT seed) with the 8-byte seed of the 3DES purse (random ‖ sequence ‖ terminal sequence or
  8000). The published SM4 diversification has this form for 8 bytes, and the result is a whole key: nothing is shortened.
- MAC1, MAC2: SM4-CBC-MAC, IV 0, padding 80 00… always, the left 4 bytes. The left bytes because the 3DES purse and
  ISO/IEC 9797-1 take them; twelve hidden bytes also keep a chaining value from being extended.
- TAC: the same under the whole TAC key. The 3DES fold exists to get a single-DES key; SM4 has no shorter key to get.
- Social-security authentication: the session key as above from the first random; its answer, like the external
  authentication of the SM4 cards seen (``suites``), is 8 bytes.
- The algorithm byte of headers and INITIALIZE is 04; public sources give numbers to DES and 3DES only.
"""

from __future__ import annotations

from card_os.crypto import sm4
from card_os.crypto.mac import pad80
from card_os.crypto.secret import Secret

ALGORITHM_BYTE = 0x04
MAC_LENGTH = 4


def session_key(key: bytes, seed: bytes) -> Secret:
    """16 bytes from a 16-byte key and an 8-byte seed."""
    if len(seed) != 8:
        raise ValueError(f"the seed has {len(seed)} bytes; it must have 8")
    return Secret(sm4.encrypt_ecb(key, seed + bytes(byte ^ 0xFF for byte in seed)))


def transaction_mac(key: bytes, data: bytes) -> bytes:
    """MAC1 and MAC2 under the session key, the TAC under the TAC key: 4 bytes."""
    return sm4.cbc_mac(key, pad80(data, sm4.BLOCK))[:MAC_LENGTH]
