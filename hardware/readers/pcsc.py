"""Cards in PC/SC readers. The only file that imports pyscard, and only when a reader is used: it is an extra."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Self

from card_os.wire.dialogue import CardGone

T0_OR_T1 = 3  # SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1 (pcsclite.h)

LOOK_AGAIN_S = 0.5
"""pcscd polls its slots every 0.4 s; a change that fell between two looks is found after this time at the latest."""


class PcscError(Exception):
    """What PC/SC said no to. ``code`` is its return value (pcsclite.h), 0 where it was never reached."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(f"{message} ({code:#010x})" if code else message)
        self.code = code


class PcscUnavailable(PcscError):
    """pyscard is not installed, or no PC/SC service answers."""


class ReaderUnusable(PcscError):
    """There is no reader of this name, or another program holds it."""


def _scard() -> ModuleType:
    try:
        from smartcard import scard
    except ImportError as missing:
        raise PcscUnavailable(
            "pyscard is not installed: install citycard[pcsc] "
            "(it is built from source: build-essential swig libpcsclite-dev python3-dev)"
        ) from missing
    module: ModuleType = scard
    return module


def _establish(scard: ModuleType) -> Any:
    status, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    if status != scard.SCARD_S_SUCCESS:
        raise PcscUnavailable("no PC/SC service answers: install and start pcscd", status)
    return context


def _names(scard: ModuleType, context: Any) -> tuple[str, ...]:
    status, names = scard.SCardListReaders(context, [])
    if status == scard.SCARD_E_NO_READERS_AVAILABLE:
        return ()
    if status != scard.SCARD_S_SUCCESS:
        raise PcscError("the readers cannot be listed", status)
    return tuple(names)


def list_readers() -> tuple[str, ...]:
    """Names of all readers, in pcscd's order, with and without a card. Raises ``PcscUnavailable``."""
    scard = _scard()
    context = _establish(scard)
    try:
        return _names(scard, context)
    finally:
        scard.SCardReleaseContext(context)


class PcscConnection:
    """The card in the reader of this name, held for ourselves: nobody else can speak to it between two commands.

    ``wait_s`` is how long to wait for a card; without one in time ``CardGone`` is raised. Raises ``PcscUnavailable`` and
    ``ReaderUnusable`` as well. A ``Connection``; whatever fails while talking comes out as ``CardGone`` with its cause.
    """

    def __init__(self, reader: str, *, wait_s: float = 0.0) -> None:
        self.reader = reader
        self._scard = _scard()
        self._context = _establish(self._scard)
        self._handle: Any = None
        self._protocol = 0
        self._atr = b""
        try:
            self.wait_for_card(wait_s)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def atr(self) -> bytes:
        return self._atr

    def transmit(self, command: bytes) -> bytes:
        status, answer = self._scard.SCardTransmit(self._handle, self._protocol, list(command))
        if status != self._scard.SCARD_S_SUCCESS:
            raise CardGone(f"no answer from the card in {self.reader}") from self._error("transmit", status)
        if len(answer) < 2:  # how vpcd reports a card pulled during the command
            raise CardGone(f"the card left {self.reader} during the command")
        return bytes(answer)

    def reset(self) -> bytes:
        if self._handle is not None:
            scard = self._scard
            status, self._protocol = scard.SCardReconnect(
                self._handle, scard.SCARD_SHARE_EXCLUSIVE, T0_OR_T1, scard.SCARD_UNPOWER_CARD
            )
            if status == scard.SCARD_S_SUCCESS:
                return self._read_atr()
            self._drop()
        self._connect()
        return self._read_atr()

    def wait_for_card(self, wait_s: float) -> bytes:
        """Power the card up as soon as there is one; its ATR. ``CardGone`` when none came within ``wait_s`` seconds."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                return self.reset()
            except CardGone:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise
                self._sleep_until_change(min(left_s, LOOK_AGAIN_S))

    def close(self) -> None:
        """Power the card down and let the reader go. A second call does nothing."""
        self._drop()
        context, self._context = self._context, None
        if context is not None:
            self._scard.SCardReleaseContext(context)

    def _connect(self) -> None:
        scard = self._scard
        status, handle, protocol = scard.SCardConnect(self._context, self.reader, scard.SCARD_SHARE_EXCLUSIVE, T0_OR_T1)
        if status == scard.SCARD_S_SUCCESS:
            self._handle, self._protocol = handle, protocol
            return
        error = self._error("connect", status)
        if status == scard.SCARD_E_UNKNOWN_READER:
            there = ", ".join(_names(scard, self._context)) or "none"
            raise ReaderUnusable(f"no reader is called {self.reader!r}; there are: {there}", status) from error
        if status == scard.SCARD_E_SHARING_VIOLATION:
            raise ReaderUnusable(f"another program holds the card in {self.reader}", status) from error
        raise CardGone(f"no card in {self.reader}") from error

    def _read_atr(self) -> bytes:
        status, *_, atr = self._scard.SCardStatus(self._handle)
        if status != self._scard.SCARD_S_SUCCESS:
            raise CardGone(f"the card left {self.reader} at power-up") from self._error("status", status)
        self._atr = bytes(atr)
        return self._atr

    def _drop(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            self._scard.SCardDisconnect(handle, self._scard.SCARD_UNPOWER_CARD)

    def _sleep_until_change(self, wait_s: float) -> None:
        scard = self._scard
        status, states = scard.SCardGetStatusChange(self._context, 0, [(self.reader, scard.SCARD_STATE_UNAWARE)])
        if status == scard.SCARD_S_SUCCESS:
            scard.SCardGetStatusChange(self._context, int(wait_s * 1000), [(self.reader, states[0][1])])

    def _error(self, what: str, status: int) -> PcscError:
        return PcscError(f"PC/SC {what}: {self._scard.SCardGetErrorMessage(status)}", status)


@dataclass(frozen=True, slots=True)
class ReaderChange:
    """A card came (``atr`` is its answer to reset, empty where it does not answer) or went (``atr`` None)."""

    reader: str
    atr: bytes | None


class ReaderMonitor:
    """Sees cards come into and go from several readers at once, without holding any of them.

    Nothing is lost between two calls of ``changes``: a card that was replaced meanwhile is told as gone and come, by
    pcscd's event counter (the upper half of a reader's state).
    """

    def __init__(self, readers: Iterable[str]) -> None:
        """Raises ``PcscUnavailable``; ``ReaderUnusable`` where a name is unknown."""
        self._scard = _scard()
        self._context = _establish(self._scard)
        self._seen = dict.fromkeys(readers, _Seen(self._scard.SCARD_STATE_UNAWARE, None))
        known = _names(self._scard, self._context)
        if missing := [reader for reader in self._seen if reader not in known]:
            self.close()
            there = ", ".join(known) or "none"
            raise ReaderUnusable(f"no reader is called {', '.join(missing)}; there are: {there}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """A second call does nothing."""
        context, self._context = self._context, None
        if context is not None:
            self._scard.SCardReleaseContext(context)

    def changes(self, wait_s: float) -> tuple[ReaderChange, ...]:
        """What happened since the call before, at the first call: every card there is. Waits at most ``wait_s`` seconds for
        something to happen. Raises ``PcscError`` where the service ends or a reader is taken away."""
        asked = [(reader, seen.state) for reader, seen in self._seen.items()]
        status, states = self._scard.SCardGetStatusChange(self._context, int(wait_s * 1000), asked)
        if status == self._scard.SCARD_E_TIMEOUT:
            return ()
        if status != self._scard.SCARD_S_SUCCESS:
            raise PcscError(f"PC/SC watch: {self._scard.SCardGetErrorMessage(status)}", status)
        return tuple(change for reader, state, atr in states for change in self._changed(reader, state, bytes(atr)))

    def _changed(self, reader: str, state: int, atr: bytes) -> Iterator[ReaderChange]:
        if state & (self._scard.SCARD_STATE_UNKNOWN | self._scard.SCARD_STATE_UNAVAILABLE):
            raise ReaderUnusable(f"{reader} was taken away")
        before, now = self._seen[reader], atr if state & self._scard.SCARD_STATE_PRESENT else None
        self._seen[reader] = _Seen(state & ~self._scard.SCARD_STATE_CHANGED, now)
        # pcscd may report the state a moment before it counts the event: one event alone is no replacement.
        replaced = (state >> _EVENTS_AT) - (before.state >> _EVENTS_AT) & 0xFFFF > 1
        if before.atr is not None and (now is None or replaced):
            yield ReaderChange(reader, None)
        if now is not None and (before.atr is None or replaced):
            yield ReaderChange(reader, now)


_EVENTS_AT = 16


@dataclass(frozen=True, slots=True)
class _Seen:
    state: int
    atr: bytes | None
