"""What commands are called, for people: traces, the APDU shell, the reference page. And which of them carry secrets.

Names as in standards.md §1, §3, §5.5 and NIST SP 800-73-4 part 2 §3 (FB to FF: Yubico's). That a command has a name does not
mean a card knows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from card_os.wire.apdu import SHORT_MAXIMUM, CommandApdu

# By INS: commands of the interindustry class, those of the proprietary ones, and INITIALIZE by P1.
_SHARED: dict[int, str] = {
    0x20: "VERIFY",
    0x24: "CHANGE REFERENCE DATA / PIN UNBLOCK",
    0x2C: "RESET RETRY COUNTER",
    0x47: "GENERATE ASYMMETRIC KEY PAIR",
    0x82: "EXTERNAL AUTHENTICATE",
    0x84: "GET CHALLENGE",
    0x87: "GENERAL AUTHENTICATE",
    0x88: "INTERNAL AUTHENTICATE",
    0xA4: "SELECT",
    0xB0: "READ BINARY",
    0xB2: "READ RECORD",
    0xC0: "GET RESPONSE",
    0xCB: "GET DATA",
    0xD0: "WRITE BINARY",
    0xD6: "UPDATE BINARY",
    0xDB: "PUT DATA",
    0xDC: "UPDATE RECORD",
    0xE2: "APPEND RECORD",
    0xFB: "RESET APPLICATION",
    0xFD: "GET VERSION",
    0xFE: "IMPORT ASYMMETRIC KEY",
    0xFF: "SET MANAGEMENT KEY",
}
_PROPRIETARY: dict[int, str] = {
    0x0E: "ERASE DF",
    0x16: "CARD BLOCK",
    0x18: "APPLICATION UNBLOCK",
    0x1A: "INIT FOR DESCRYPT",
    0x1E: "APPLICATION BLOCK",
    0x26: "GET MEDICAL BALANCE",
    0x28: "INITIALIZE FOR MEDICAL LOAD",
    0x2A: "CREDIT FOR MEDICAL LOAD",
    0x50: "INITIALIZE",
    0x52: "CREDIT FOR LOAD",
    0x54: "DEBIT",
    0x58: "UPDATE OVERDRAW LIMIT",
    0x5A: "GET TRANSACTION PROVE",
    0x5C: "GET BALANCE",
    0x5E: "CHANGE / RELOAD PIN",
    0x70: "INIT SAM FOR PURCHASE",
    0x72: "CREDIT SAM FOR PURCHASE",
    0xD4: "WRITE KEY",
    0xDC: "UPDATE CAPP DATA CACHE",
    0xDE: "GENERATE SESSION KEY",
    0xE0: "CREATE FILE",
    0xFA: "DES CRYPT",
}
_INITIALIZE: dict[int, str] = {
    0x00: "INITIALIZE FOR LOAD",
    0x01: "INITIALIZE FOR PURCHASE",
    0x02: "INITIALIZE FOR CASH WITHDRAW",
    0x03: "INITIALIZE FOR CAPP PURCHASE",
    0x04: "INITIALIZE FOR UPDATE",
    0x05: "INITIALIZE FOR UNLOAD",
}

SECRET_IN_COMMAND = frozenset({0x20, 0x24, 0x2C, 0x5E, 0x82, 0x87, 0xD4, 0xFE, 0xFF})
"""INS bytes whose data field holds a PIN, a key, or what is computed from one; the class does not matter."""

REDACTED = "<redacted>"
UNKNOWN_COMMAND = "unknown command"


@dataclass(frozen=True, slots=True)
class Described:
    """``shown`` is the command in hex, its parts apart, without secrets."""

    name: str
    shown: str


def name_of(command: CommandApdu) -> str:
    """The command's name; ``UNKNOWN_COMMAND`` where it has none here."""
    if command.cla & 0x80:
        if command.ins == 0x50:
            return _INITIALIZE.get(command.p1, _PROPRIETARY[0x50])
        if command.ins == 0xDC and command.cla & 0x04:
            return _SHARED[0xDC]
        return _PROPRIETARY.get(command.ins) or _SHARED.get(command.ins, UNKNOWN_COMMAND)
    return _SHARED.get(command.ins, UNKNOWN_COMMAND)


def describe(command: CommandApdu) -> Described:
    """For a trace. The data of a command in ``SECRET_IN_COMMAND`` is not shown."""
    parts = [command.header.hex(" ").upper()]
    if command.data:
        hidden = command.ins in SECRET_IN_COMMAND
        parts += [f"Lc {len(command.data):02X}", REDACTED if hidden else command.data.hex().upper()]
    if command.ne is not None:
        parts.append(f"Le {command.ne & 0xFF:02X}" if command.ne <= SHORT_MAXIMUM else f"Le {command.ne & 0xFFFF:04X}")
    return Described(name_of(command), " ".join(parts))
