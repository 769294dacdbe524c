"""The card as a reader sees it: bytes, ATR, and the ways of answering of T=0 (ISO/IEC 7816-3 §12.2) and T=1 (§12.3)."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, unique
from functools import reduce
from operator import xor

from card_os.engine.card import Card
from card_os.engine.memory import PowerLost
from card_os.wire.apdu import EXTENDED_MAXIMUM, SHORT_MAXIMUM, CommandApdu, MalformedApdu, ResponseApdu
from card_os.wire.dialogue import CardGone

GET_RESPONSE = 0xC0
# T0 = 6D: TB1 and TC1 follow (both 00), 13 historical bytes. The five before the serial as on the sample in standards.md §5.4.
_HISTORICAL = bytes.fromhex("00814E4323")
ATR_HEAD = bytes.fromhex("3B6D0000") + _HISTORICAL
# T0 = 8D: TD1 follows, 01 = T=1 is what the card speaks; TCK ends it.
_ATR_HEAD_T1 = bytes.fromhex("3B8D01") + _HISTORICAL
_WRONG_LENGTH = bytes.fromhex("6700")
_CONDITIONS = bytes.fromhex("6985")
_END_OF_FILE = bytes.fromhex("6282")
_OK = bytes.fromhex("9000")
_READING = frozenset({0xB0, 0xB2})


@unique
class Protocol(Enum):
    """How answers come: T0 by 61xx, 6Cxx and GET RESPONSE, at most 256 bytes at once; T1 with the command, also extended."""

    T0 = 0
    T1 = 1


class ByteCard:
    """Fits ``hardware.readers.connection.Connection``. After ``PowerLost`` it answers nothing but ``CardGone`` until reset."""

    def __init__(self, card: Card, protocol: Protocol = Protocol.T0) -> None:
        self.card = card
        self._protocol = protocol
        self._pending = b""
        self._status = b""
        self._powered = True
        self._atr = ATR_HEAD + card.chip_serial if protocol is Protocol.T0 else _atr_t1(card.chip_serial)

    @property
    def atr(self) -> bytes:
        return self._atr

    def reset(self) -> bytes:
        """Power down and up; the ATR. Raises ``PowerLost`` where power fails again."""
        self._pending, self._powered = b"", False
        self.card.reset()
        self._powered = True
        return self._atr

    def transmit(self, command: bytes) -> bytes:
        """One command APDU. T=0: data to fetch is announced by 61xx where no Le was sent, and a wrong Le by 6Cxx."""
        if not self._powered:
            raise CardGone("the card has lost power; reset it")
        try:
            apdu = CommandApdu.parse(command)
        except MalformedApdu:
            return _WRONG_LENGTH
        if self._protocol is Protocol.T1:
            return self._answer_at_once(apdu)
        if apdu.ins == GET_RESPONSE:  # of whatever class: javax.smartcardio fetches with the class of the command
            return self._fetch(apdu)
        self._pending = b""
        return self._answer(apdu, self._perform(apdu))

    def _perform(self, apdu: CommandApdu) -> ResponseApdu:
        try:
            return self.card.transmit(apdu)
        except PowerLost:
            self._powered = False
            raise

    def _answer_at_once(self, apdu: CommandApdu) -> bytes:
        """T=1: as many bytes as Le wants, none without Le; a reading command that wanted more is told so by 6282. The card
        never says 6Cxx, so a reading command is passed on with the largest Le and cut here."""
        reading = apdu.ins in _READING and apdu.ne is not None
        response = self._perform(replace(apdu, ne=EXTENDED_MAXIMUM) if reading else apdu)
        data, status = response.data[: apdu.ne or 0], response.sw.to_bytes()
        short = apdu.ne is not None and apdu.ne not in (SHORT_MAXIMUM, EXTENDED_MAXIMUM) and apdu.ne > len(data)
        return data + (_END_OF_FILE if reading and short and status == _OK else status)

    def _answer(self, apdu: CommandApdu, response: ResponseApdu) -> bytes:
        data = response.data
        if not data or (apdu.ne is not None and apdu.ne >= len(data)):
            return response.encode()
        if not apdu.data and apdu.ne is not None:
            return bytes((0x6C, len(data) & 0xFF))  # nothing was changed by a command without data: it may be repeated
        self._pending, self._status = data, response.sw.to_bytes()
        if apdu.ne is None:
            return self._available()
        return self._portion(apdu.ne)

    def _fetch(self, apdu: CommandApdu) -> bytes:
        if not self._pending:
            return _CONDITIONS
        return self._portion(apdu.ne or SHORT_MAXIMUM)

    def _portion(self, length: int) -> bytes:
        part, self._pending = self._pending[:length], self._pending[length:]
        return part + (self._available() if self._pending else self._status)

    def _available(self) -> bytes:
        return bytes((0x61, min(len(self._pending), SHORT_MAXIMUM) & 0xFF))


def _atr_t1(chip_serial: bytes) -> bytes:
    atr = _ATR_HEAD_T1 + chip_serial
    return atr + bytes((reduce(xor, atr[1:]),))
