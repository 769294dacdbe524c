"""`citycard card shell` as somebody at a keyboard has it: under a pseudo-terminal, with completion, a hidden PIN and Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import sys
import time
from contextlib import suppress

import pytest

from hardware.readers.pcsc import PcscConnection
from simulator.softcard.vpcd import VirtualReader

pytestmark = pytest.mark.needs_pcsc

WAIT_S = 5.0
LIMIT_S = 10.0
_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Somebody at a keyboard: a program under a pseudo-terminal."""

    def __init__(self, *command: str) -> None:
        self.said = b""
        self.child, self.master = pty.fork()
        if not self.child:
            os.environ.update(LINES="24", COLUMNS="120", TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1")
            os.execv(command[0], command)

    def until(self, wanted: bytes) -> None:
        deadline = time.monotonic() + LIMIT_S
        while wanted not in _ESCAPES.sub(b"", self.said):
            assert time.monotonic() < deadline, self.said
            if select.select([self.master], [], [], 0.2)[0]:
                self.said += os.read(self.master, 4096)

    def type(self, keys: bytes, wanted: bytes) -> bytes:
        """What was said after ``keys`` up to ``wanted``."""
        self.said = b""
        os.write(self.master, keys)
        self.until(wanted)
        return self.said

    def ended(self, keys: bytes) -> int:
        """The exit code after ``keys``; a program that goes on is killed."""
        os.write(self.master, keys)
        with suppress(OSError):  # the other side closes with the program
            while select.select([self.master], [], [], LIMIT_S)[0] and os.read(self.master, 4096):
                pass
        time.sleep(0.3)
        with suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)  # says nothing to one that has ended and waits for us
        _, status = os.waitpid(self.child, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


SHELL = (sys.executable, "-c", "from terminals.cli import app; app(prog_name='card')", "shell", "--reader")


def test_the_shell_at_a_keyboard_completes_hides_the_pin_and_survives_an_interrupt(readers, pair, make_card):
    with VirtualReader(pair.card.port) as field:
        field.insert(make_card(3))
        with PcscConnection(pair.card.reader, wait_s=WAIT_S):
            pass
        desk = Terminal(*SHELL, pair.card.reader)
        desk.until(b"card>")
        desk.type(b"sel", b"select")  # the menu
        desk.type(b"\t", b"ect")  # the line
        desk.type(b" tran", b"transit")
        desk.type(b"\t", b"sit")
        assert b"A000000632010105" in desk.type(b"\r", b"9000 done")
        desk.type(b"verify\r", b"PIN:")
        verified = desk.type(b"123456\r", b"9000 done")
        assert b"<redacted>" in verified
        assert b"123456" not in verified
        desk.type(b"verify\r", b"PIN:")
        desk.type(b"\x03", b"card>")
        desk.type(b"balance\x03", b"card>")
        assert b"00000000" in desk.type(b"balance\r", b"9000 done")
        desk.type(b"quit", b"quit")
        assert desk.ended(b"\r") == 0
