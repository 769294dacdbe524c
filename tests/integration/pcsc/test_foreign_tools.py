"""Programs that know nothing of us see the virtual card and talk to it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest

from card_os.engine import ByteCard
from hardware.readers.pcsc import PcscConnection
from simulator.softcard.daemon import ReaderPair, VirtualReaders
from simulator.softcard.vpcd import VirtualReader

pytestmark = pytest.mark.needs_pcsc

LIMIT_S = 30


@pytest.fixture
def card(pair: ReaderPair, make_card: Callable[[int], ByteCard]) -> Iterator[ByteCard]:
    card = make_card(1)
    with VirtualReader(pair.card.port) as slot:
        slot.insert(card)
        with PcscConnection(pair.card.reader, wait_s=5):
            pass  # pcscd has noticed the card: the programs find it at once
        yield card


def run(readers: VirtualReaders, *command: str, script: str = "") -> str:
    environment = {**os.environ, **readers.environment, "LC_ALL": "C"}
    ended = subprocess.run(
        command, env=environment, input=script, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    return ended.stdout + ended.stderr


def plain(text: str) -> str:
    """In one case, without colours, white space and the colons between hex bytes."""
    return re.sub(r"\x1b\[[0-9;]*m|\s|(?<=[0-9A-F]{2}):(?=[0-9A-F]{2})", "", text.upper())


def test_opensc_tool_shows_the_atr(readers, pair, card, tool):
    shown = run(readers, tool("opensc-tool"), "--reader", pair.card.reader, "--atr")
    assert card.atr.hex().upper() in plain(shown)


def test_opensc_tool_selects_the_transit_application(readers, pair, card, tool):
    select = "00A4040008A00000063201010500"
    shown = run(readers, tool("opensc-tool"), "--reader", pair.card.reader, "--send-apdu", select)
    assert "SW1=0X90,SW2=0X00" in plain(shown)


def test_pcsc_scan_sees_reader_and_card(readers, pair, card, tool):
    shown = run(readers, "timeout", "3", tool("pcsc_scan"), "-n", "-t", "2")
    assert pair.card.reader in shown
    assert card.atr.hex().upper() in plain(shown)


def test_scriptor_talks_to_the_card(readers, pair, card, tool):
    script = "reset\n00 A4 04 00 08 A0 00 00 06 32 01 01 05 00\n00 B0 95 00 1E\n80 5C 00 02 04\n00 B0 81 00 00\n"
    shown = plain(run(readers, tool("scriptor"), "-r", pair.card.reader, script=script))
    assert f"OK:{card.atr.hex().upper()}" in shown
    assert "03109910000000000001" in shown
    assert "000000009000:" in shown
    assert "6A82:" in shown
