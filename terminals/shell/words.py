"""What can be typed into the APDU shell: a command by name and its values, or its bytes in hex."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu, MalformedApdu
from card_os.wire.identity import IDENTITY_AID, padded
from card_os.wire.identity import PIN as IDENTITY_PIN


class BadLine(ValueError):
    """What was typed is no command; the message says what would be one."""


@dataclass(frozen=True, slots=True)
class Word:
    """``usage`` names the values, those in brackets may be left out; ``secret``: the last one is asked for, unseen."""

    usage: str
    about: str
    build: Callable[..., CommandApdu]
    secret: bool = False


APPLICATIONS: Mapping[str, CommandApdu] = MappingProxyType(
    {
        "mf": commands.select_fid(names.MASTER_FILE),
        "transit": commands.select_name(names.TRANSIT_AID),
        "social": commands.select_name(names.SOCIAL_AID),
        "identity": commands.select_name(IDENTITY_AID),
        "psam": commands.select_fid(names.TRANSIT_SAM_DF),
        "hospital-psam": commands.select_fid(names.SOCIAL_SAM_DF),
        "pse": commands.select_name(b"1PAY.SYS.DDF01"),
        "ppse": commands.select_name(b"2PAY.SYS.DDF01"),
    }
)


def _select(target: str) -> CommandApdu:
    if target in APPLICATIONS:
        return APPLICATIONS[target]
    raw = bytes.fromhex(target)
    return commands.select_fid(int.from_bytes(raw, "big")) if len(raw) == 2 else commands.select_name(raw)


def _binary(sfi: str, offset: str = "0", length: str = "256") -> CommandApdu:
    return commands.read_binary(_sfi(sfi), offset=_within(int(offset), 255), length=_within(int(length), 256))


def _record(sfi: str, number: str) -> CommandApdu:
    return commands.read_record(_sfi(sfi), _within(int(number), 255))


def _sfi(text: str) -> int:
    return _within(int(text, 16), 30)


def _within(value: int, most: int) -> int:
    if not 0 <= value <= most:
        raise BadLine(f"{value} is not from 0 to {most}")
    return value


def _balance(value: str = "0") -> CommandApdu:
    return commands.get_balance(value=_within(int(value), 3))


def _challenge(length: str = "8") -> CommandApdu:
    return commands.get_challenge(_within(int(length), 256))


def _counters(kind: str, terminal: str = "000000000000") -> CommandApdu:
    """INITIALIZE with amount 0: tells balance and sequence and changes nothing."""
    makers = {
        "load": commands.initialize_for_load,
        "purchase": commands.initialize_for_purchase,
        "compound": commands.initialize_for_compound_purchase,
    }
    return makers[kind](key_id=1, amount_minor=0, terminal=bytes.fromhex(terminal))


def _prove(kind: str, sequence: str) -> CommandApdu:
    return commands.get_transaction_prove(transaction_type=int(kind, 16), sequence=int(sequence))


def _verify(pin: str, key_id: str = "0") -> CommandApdu:
    reference = int(key_id, 16)
    return commands.verify_pin(reference, padded(pin) if reference == IDENTITY_PIN else bytes.fromhex(pin))


WORDS: Mapping[str, Word] = MappingProxyType(
    {
        "select": Word("NAME|FID|AID", "SELECT by a name of this list, an identifier or an AID in hex", _select),
        "binary": Word("SFI [OFFSET [LENGTH]]", "READ BINARY; SFI in hex", _binary),
        "record": Word("SFI NUMBER", "READ RECORD; SFI in hex, 1 is the newest of a log", _record),
        "balance": Word("[VALUE]", "GET BALANCE of the purse; 3 is the holder's own money", _balance),
        "challenge": Word("[4|8]", "GET CHALLENGE", _challenge),
        "counters": Word("load|purchase|compound [TERMINAL]", "INITIALIZE with amount 0: the sequence", _counters),
        "prove": Word("TYPE SEQUENCE", "GET TRANSACTION PROVE; type in hex, sequence in decimal", _prove),
        "verify": Word(
            "[KEY-ID]", "VERIFY (80: the identity application's); the PIN is asked for", _verify, secret=True
        ),
    }
)


def parse_line(line: str, ask_secret: Callable[[str], str]) -> CommandApdu:
    """The command that ``line`` means. ``ask_secret(question)`` answers what must not stand in it. Raises ``BadLine``."""
    word, *values = line.split()
    known = WORDS.get(word.lower())
    if known is None:
        return _from_hex(line)
    try:
        return known.build(_asked(ask_secret), *values) if known.secret else known.build(*values)
    except (ValueError, TypeError, KeyError, OverflowError, struct.error) as problem:
        if isinstance(problem, BadLine):
            raise
        raise BadLine(f"usage: {word.lower()} {known.usage}") from None


def _asked(ask_secret: Callable[[str], str]) -> str:
    """Raises ``BadLine`` where nothing was typed: a VERIFY without a PIN is another command."""
    if secret := ask_secret("PIN: ").strip():
        return secret
    raise BadLine("no PIN was given; nothing was sent")


def _from_hex(line: str) -> CommandApdu:
    try:
        return CommandApdu.parse(bytes.fromhex(line))
    except (ValueError, MalformedApdu) as problem:
        said = problem if isinstance(problem, MalformedApdu) else "neither a command of this shell (help) nor hex"
        raise BadLine(str(said)) from None
