"""Line protection of commands: MAC, and encryption of key loads (standards.md §2.4).

MAC input is CLA INS P1 P2 Lc ‖ data as sent (ciphertext where encrypted), Lc already counting the MAC; the IV is the
card's challenge of 4 or 8 bytes, completed with 00. Encrypted data is ECB over ``length1 ‖ data ‖ 80 00…``.
"""

from __future__ import annotations

import hmac
from dataclasses import replace

from card_os.crypto.mac import pad80
from card_os.crypto.secret import Secret
from card_os.crypto.suites import MAC_LENGTH, TRIPLE_DES, Suite
from card_os.wire.apdu import CommandApdu

SECURE_CLA = 0x04


class LineProtectionFailed(ValueError):
    """MAC missing or wrong, or the decrypted block has no right length or padding."""


def _mac_input(command: CommandApdu, body: bytes) -> bytes:
    return command.header + bytes((len(body) + MAC_LENGTH,)) + body


def with_mac(command: CommandApdu, key: bytes, *, challenge: bytes, suite: Suite = TRIPLE_DES) -> CommandApdu:
    """``command`` in its secured class (bit 3 of CLA set) with the 4-byte MAC after its data."""
    secured = replace(command, cla=command.cla | SECURE_CLA)
    mac = suite.line_mac(key, _mac_input(secured, command.data), challenge)
    return replace(secured, data=command.data + mac)


def without_mac(command: CommandApdu, key: bytes, *, challenge: bytes, suite: Suite = TRIPLE_DES) -> bytes:
    """The card's side: the data before the MAC. Raises ``LineProtectionFailed``."""
    if len(command.data) < MAC_LENGTH:
        raise LineProtectionFailed("no MAC")
    body, mac = command.data[:-MAC_LENGTH], command.data[-MAC_LENGTH:]
    if not hmac.compare_digest(mac, suite.line_mac(key, _mac_input(command, body), challenge)):
        raise LineProtectionFailed("wrong MAC")
    return body


def enciphered(key: bytes, data: bytes, *, suite: Suite = TRIPLE_DES) -> bytes:
    """E(length1 ‖ data ‖ 80 00…)."""
    return suite.encrypt(key, pad80(bytes((len(data),)) + data, suite.block))


def deciphered(key: bytes, cryptogram: bytes, *, suite: Suite = TRIPLE_DES) -> Secret:
    """What ``enciphered`` was given. Raises ``LineProtectionFailed``."""
    if not cryptogram or len(cryptogram) % suite.block:
        raise LineProtectionFailed(f"cryptogram has {len(cryptogram)} bytes, no whole blocks")
    plain = suite.decrypt(key, cryptogram)
    data = plain[1 : 1 + plain[0]]
    if plain != pad80(bytes((len(data),)) + data, suite.block):
        raise LineProtectionFailed("length or padding of the decrypted block is wrong")
    return Secret(data)
