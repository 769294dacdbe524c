"""The card as a reader sees it: bytes, ATR, and the T=0 way of fetching answers (ISO/IEC 7816-3 §12.2)."""

from __future__ import annotations

from card_os.engine.card import Card
from card_os.engine.memory import PowerLost
from card_os.wire.apdu import SHORT_MAXIMUM, CommandApdu, MalformedApdu, ResponseApdu
from card_os.wire.dialogue import CardGone

GET_RESPONSE = 0xC0
# T0 = 6D: TB1 and TC1 follow (both 00), 13 historical bytes. The five before the serial as on the sample in standards.md §5.4.
ATR_HEAD = bytes.fromhex("3B6D0000") + bytes.fromhex("00814E4323")
_WRONG_LENGTH = bytes.fromhex("6700")
_CONDITIONS = bytes.fromhex("6985")


class ByteCard:
    """Fits ``hardware.readers.connection.Connection``. After ``PowerLost`` it answers nothing but ``CardGone`` until reset."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._pending = b""
        self._status = b""
        self._powered = True
        self._atr = ATR_HEAD + card.chip_serial

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
        """One command APDU; data to fetch is announced by 61xx where no Le was sent, and a wrong Le by 6Cxx."""
        if not self._powered:
            raise CardGone("the card has lost power; reset it")
        try:
            apdu = CommandApdu.parse(command)
        except MalformedApdu:
            return _WRONG_LENGTH
        if apdu.ins == GET_RESPONSE:
            return self._fetch(apdu)
        self._pending = b""
        try:
            response = self.card.transmit(apdu)
        except PowerLost:
            self._powered = False
            raise
        return self._answer(apdu, response)

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
