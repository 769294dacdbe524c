"""A software card in a slot of vpcd, the virtual reader driver of Debian's ``vsmartcard-vpcd``.

The driver listens on one TCP port for each slot; a card is inserted by connecting to it and pulled by closing. Both ways
a message is length (two bytes, big-endian) ‖ content. From the driver one byte is a control (power off, power on, reset,
ask for the ATR; only the last is answered) and anything longer a command APDU.

pcscd looks for an inserted or pulled card only every 400 ms. A simulated city that shares one reader among thousands of
cards cannot wait for that, so ``present`` changes the card behind the connected slot: the new one is powered at the
terminal's next reset and from then on answers. This stands in for moving the next card into the field. It keeps what
matters about it: the new card starts from a power-up with its own ATR, and whatever the terminal sends to a card that
left, or that raises ``CardGone`` in the middle of a command, is answered by a single byte. That is no answer of a card
(a status word has two), the terminal's side takes it for ``CardGone``, and pcscd need not notice an empty slot.
``remove`` and ``insert`` are the slow, real thing.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from card_os.wire.dialogue import CardGone
from hardware.readers.connection import Connection

STOCK_PORT = 0x8C7B
"""First slot of the configuration that Debian's package installs (/etc/reader.conf.d/vpcd); the second is one higher."""

POWER_OFF, POWER_ON, RESET, GET_ATR = 0, 1, 2, 4

TORN_ANSWER = b"\x00"

EMPTY_AT_LEAST_S = 0.5
"""How long a slot stays empty before the next insertion: a pcscd that never looked in between believes for ever that
there is no card."""

_JOIN_LIMIT_S = 5.0

_emptied_s: dict[tuple[str, int], float] = {}
"""When the slot at an address was last emptied by this process, whichever ``VirtualReader`` did it."""


class NoVirtualReader(OSError):
    """No vpcd listens where the card should be inserted."""


class Slot:
    """What answers the driver: the card that is powered and the one that lies in the field. No input or output."""

    def __init__(self, card: Connection) -> None:
        self.presented = card
        self._powered: Connection | None = None

    def answer(self, message: bytes) -> bytes | None:
        """The answer to one message, None where the driver expects none."""
        if len(message) == 1:
            return self._control(message[0])
        if self._powered is not self.presented:
            return TORN_ANSWER
        try:
            return self.presented.transmit(message)
        except CardGone:
            self._powered = None
            return TORN_ANSWER

    def _control(self, control: int) -> bytes | None:
        if control == GET_ATR:
            # pcscd also polls the ATR to see that a card is there: an unpowered newcomer must not show its own yet.
            return (self._powered or self.presented).atr
        if control in (POWER_ON, RESET):
            self._powered = None
            with suppress(CardGone):
                self.presented.reset()
                self._powered = self.presented
        elif control == POWER_OFF:
            self._powered = None
        return None


class VirtualReader:
    """One slot of a vpcd reader, seen from the cards' side. Cards answer in a thread of this process."""

    def __init__(self, port: int = STOCK_PORT, *, host: str = "127.0.0.1") -> None:
        self._address = (host, port)
        self._lock = threading.Lock()
        self._slot: Slot | None = None
        self._line: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def insert(self, card: Connection) -> None:
        """Put ``card`` into the slot, which is emptied first. pcscd notices within half a second.

        Raises ``NoVirtualReader``.
        """
        self.remove()
        if self._address in _emptied_s:
            time.sleep(max(0.0, _emptied_s[self._address] + EMPTY_AT_LEAST_S - time.monotonic()))
        line, slot = self._connect(), Slot(card)
        self._line, self._slot = line, slot
        self._thread = threading.Thread(
            target=self._serve, args=(line, slot), name=f"card:{self._address[1]}", daemon=True
        )
        self._thread.start()

    def present(self, card: Connection) -> None:
        """Let ``card`` be the one that the terminal's next reset powers; into an empty slot it is inserted.

        Waits for a command in progress. Where the card before broke in its own code, its exception is raised here.
        """
        with self._lock:
            if self._slot is not None:
                self._slot.presented = card
                return
        self.insert(card)

    def remove(self) -> None:
        """Pull the card. The terminal's next command fails; pcscd reports the empty slot within half a second."""
        line, self._line = self._line, None
        if line is not None:
            with suppress(OSError):  # the driver may have closed first
                line.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(_JOIN_LIMIT_S)
            self._thread = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def wait(self) -> None:
        """Block until the driver lets go of the slot (the daemon ended) or the card is pulled."""
        if self._thread is not None:
            self._thread.join()

    def _connect(self) -> socket.socket:
        host, port = self._address
        try:
            line = socket.create_connection(self._address)
        except OSError as refused:
            raise NoVirtualReader(
                f"no virtual reader listens at {host}:{port}; install vsmartcard-vpcd and start pcscd"
            ) from refused
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def _serve(self, line: socket.socket, slot: Slot) -> None:
        try:
            with line:
                self._answer_all(line, slot)
        except ConnectionError:
            pass  # the driver has gone
        except BaseException as failure:
            self._failure = failure
        finally:
            with self._lock:
                self._slot = None
                _emptied_s[self._address] = time.monotonic()

    def _answer_all(self, line: socket.socket, slot: Slot) -> None:
        received = bytearray()
        while True:
            while len(received) < 2 or len(received) < 2 + (length := int.from_bytes(received[:2], "big")):
                # The kernel drops back to delayed acknowledgements by itself; each would cost 44 ms.
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                piece = line.recv(65538)
                if not piece:
                    return
                received += piece
            message = bytes(received[2 : 2 + length])
            del received[: 2 + length]
            with self._lock:
                answer = slot.answer(message)
            if answer is not None:
                line.sendall(len(answer).to_bytes(2, "big") + answer)
