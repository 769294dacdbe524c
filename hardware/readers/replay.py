"""A recorded conversation in place of a card."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from card_os.wire.dialogue import CardGone


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command as sent and its answer with status word. ``response`` None: the card left after the command."""

    command: bytes
    response: bytes | None

    @classmethod
    def of(cls, command: str, response: str | None) -> Exchange:
        """The same from hex, spaces allowed."""
        return cls(bytes.fromhex(command), None if response is None else bytes.fromhex(response))


class TranscriptDiffers(AssertionError):
    """Another command was sent than the one recorded, or the conversation ended early."""


class ReplayConnection:
    """Answers as recorded, in order, and refuses any other command. A ``Connection``."""

    def __init__(self, transcript: Iterable[Exchange], *, atr: bytes = b"\x3b\x00") -> None:
        self._atr = atr
        self._transcript = tuple(transcript)
        self._position = 0

    @property
    def atr(self) -> bytes:
        return self._atr

    def transmit(self, command: bytes) -> bytes:
        if self._position == len(self._transcript):
            raise TranscriptDiffers(f"{command.hex().upper()} sent after the last recorded command")
        recorded = self._transcript[self._position]
        if command != recorded.command:
            raise TranscriptDiffers(
                f"command {self._position + 1} is {command.hex().upper()}, recorded is {recorded.command.hex().upper()}"
            )
        self._position += 1
        if recorded.response is None:
            raise CardGone(f"recorded: the card left at command {self._position}")
        return recorded.response

    def reset(self) -> bytes:
        return self._atr

    def finish(self) -> None:
        """Raises ``TranscriptDiffers`` unless every recorded command was sent."""
        if left := len(self._transcript) - self._position:
            awaited = self._transcript[self._position].command.hex().upper()
            raise TranscriptDiffers(f"{left} recorded commands were not sent; the next is {awaited}")
