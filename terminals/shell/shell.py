"""The APDU shell: one line, one command, and in words what was said. Secrets are neither shown nor remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from card_os.wire import tlv
from card_os.wire.apdu import CommandApdu, MalformedApdu, ResponseApdu
from card_os.wire.command_names import SECRET_IN_COMMAND, UNKNOWN_COMMAND, name_of
from card_os.wire.dialogue import CardGone
from hardware.readers.connection import Connection
from hardware.readers.drive import exchange
from terminals.shell.trace import shown_command, shown_data, shown_status
from terminals.shell.words import APPLICATIONS, WORDS, BadLine, parse_line

ACTIONS = {
    "atr": "the answer to reset",
    "reset": "power the card down and up",
    "help": "this list",
    "quit": "let the card go",
}
_KEY_ID_DIGITS = 2


class TracedConnection:
    """A ``Connection`` that says every command and answer, GET RESPONSE and repeated ones too."""

    def __init__(self, connection: Connection, say: Callable[[str], None]) -> None:
        self._connection = connection
        self._say = say

    @property
    def atr(self) -> bytes:
        return self._connection.atr

    def reset(self) -> bytes:
        return self._connection.reset()

    def transmit(self, command: bytes) -> bytes:
        self._say(f"> {shown_command(command)}")
        raw = self._connection.transmit(command)
        answer = ResponseApdu.parse(raw)
        self._say(
            f"< {shown_data(answer.data)}, {shown_status(answer)}" if answer.data else f"< {shown_status(answer)}"
        )
        return raw


class Shell:
    """``say`` prints a line; ``ask_secret(question)`` reads one unseen."""

    def __init__(self, connection: Connection, *, say: Callable[[str], None], ask_secret: Callable[[str], str]) -> None:
        self._connection = TracedConnection(connection, say)
        self._say = say
        self._ask_secret = ask_secret

    def handle(self, line: str) -> bool:
        """Do what ``line`` says; whether the shell goes on."""
        word = line.strip().lower()
        if word == "quit":
            return False
        try:
            self._do(word, line)
        except (BadLine, CardGone, MalformedApdu) as problem:
            self._say(f"! {problem}")
        return True

    def _do(self, word: str, line: str) -> None:
        if word == "help":
            for text in help_lines():
                self._say(text)
        elif word in ("atr", "reset"):
            atr = self._connection.reset() if word == "reset" else self._connection.atr
            self._say(f"ATR {atr.hex(' ').upper()}")
        elif word:
            answer = exchange(self._connection, parse_line(line, self._ask_secret))
            for text in tree(answer.data):
                self._say(text)


def help_lines() -> Iterable[str]:
    """Every word with its values and what it does."""
    for name, word in WORDS.items():
        yield f"{name} {word.usage:<36} {word.about}"
    yield f"names for select: {', '.join(APPLICATIONS)}"
    for name, about in ACTIONS.items():
        yield f"{name:<43} {about}"
    yield "a command in hex, spaces allowed: 00A4040008A00000063201010500"


def tree(data: bytes, depth: int = 1) -> Iterable[str]:
    """The data objects of an answer that is one template; nothing for any other answer."""
    if depth == 1 and data[:1] not in (b"\x61", b"\x6f", b"\x70"):
        return
    try:
        items = tlv.parse(data)
    except tlv.MalformedTlv:
        return
    for item in items:
        indent = "  " * depth
        if item.is_constructed:
            yield f"{indent}{item.tag:X}"
            yield from tree(item.value, depth + 1)
        else:
            yield f"{indent}{item.tag:X} {item.value.hex().upper()}"


def may_be_remembered(line: str) -> bool:
    """Whether the history may keep it: nothing that could have a PIN, key or cryptogram in it, on purpose or by mistake."""
    word, *values = line.lower().split() or [""]
    if word in WORDS:
        return not WORDS[word].secret or all(len(value) <= _KEY_ID_DIGITS for value in values)
    if word in ACTIONS:
        return True
    try:  # a PIN of eight digits is a command header too, but of no command that has a name
        command = CommandApdu.parse(bytes.fromhex(line))
        return command.ins not in SECRET_IN_COMMAND and name_of(command) != UNKNOWN_COMMAND
    except (ValueError, MalformedApdu):
        return False
