"""The slot and its line to the driver, with a driver of the test's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from card_os.wire.dialogue import CardGone
from hardware.readers.replay import Exchange, ReplayConnection
from simulator.softcard.vpcd import (
    GET_ATR,
    POWER_OFF,
    POWER_ON,
    RESET,
    TORN_ANSWER,
    NoVirtualReader,
    Slot,
    VirtualReader,
)

CHALLENGE = bytes.fromhex("0084000008")
OLD, NEW = bytes.fromhex("3B01AA"), bytes.fromhex("3B01BB")


class Tag:
    """Answers every command with its own byte."""

    def __init__(self, mark: int) -> None:
        self.mark = mark
        self.resets = 0
        self.pulled = False

    @property
    def atr(self) -> bytes:
        return bytes((0x3B, 0x01, self.mark))

    def reset(self) -> bytes:
        self.resets += 1
        return self.atr

    def transmit(self, command: bytes) -> bytes:
        if self.pulled:
            raise CardGone("pulled")
        return bytes((self.mark, 0x90, 0x00))


def control(slot: Slot, code: int) -> bytes | None:
    return slot.answer(bytes((code,)))


def test_a_card_answers_once_it_is_powered():
    slot = Slot(Tag(0xAA))
    assert slot.answer(CHALLENGE) == TORN_ANSWER
    assert control(slot, POWER_ON) is None
    assert slot.answer(CHALLENGE) == b"\xaa\x90\x00"
    assert control(slot, POWER_OFF) is None
    assert slot.answer(CHALLENGE) == TORN_ANSWER


@pytest.mark.parametrize("power", [POWER_ON, RESET])
def test_a_presented_card_shows_and_answers_only_after_power_up(power: int):
    old, new = Tag(0xAA), Tag(0xBB)
    slot = Slot(old)
    control(slot, RESET)
    slot.presented = new
    assert control(slot, GET_ATR) == OLD
    assert slot.answer(CHALLENGE) == TORN_ANSWER
    control(slot, power)
    assert control(slot, GET_ATR) == NEW
    assert slot.answer(CHALLENGE) == b"\xbb\x90\x00"
    assert (old.resets, new.resets) == (1, 1)


def test_a_card_torn_during_a_command_stays_silent_until_reset():
    card = Tag(0xAA)
    slot = Slot(card)
    control(slot, POWER_ON)
    card.pulled = True
    assert slot.answer(CHALLENGE) == TORN_ANSWER
    card.pulled = False
    assert slot.answer(CHALLENGE) == TORN_ANSWER
    control(slot, RESET)
    assert slot.answer(CHALLENGE) == b"\xaa\x90\x00"


class Driver:
    """vpcd's side: accepts a card and speaks length-prefixed messages."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(5)
        self.port: int = self._listening.getsockname()[1]
        self.line: socket.socket | None = None

    def accept(self) -> None:
        self.line, _ = self._listening.accept()
        self.line.settimeout(5)

    def ask(self, message: bytes, *, answered: bool = True) -> bytes:
        assert self.line is not None
        self.line.sendall(len(message).to_bytes(2, "big") + message)
        return self._read(int.from_bytes(self._read(2), "big")) if answered else b""

    def _read(self, length: int) -> bytes:
        assert self.line is not None
        data = b""
        while len(data) < length and (piece := self.line.recv(length - len(data))):
            data += piece
        return data

    def close(self) -> None:
        self._listening.close()
        if self.line is not None:
            self.line.close()


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


def test_cards_are_inserted_swapped_and_pulled(driver: Driver):
    with VirtualReader(driver.port) as reader:
        reader.insert(Tag(0xAA))
        driver.accept()
        driver.ask(bytes((POWER_ON,)), answered=False)
        assert driver.ask(bytes((GET_ATR,))) == OLD
        assert driver.ask(CHALLENGE) == b"\xaa\x90\x00"
        reader.present(Tag(0xBB))
        driver.ask(bytes((RESET,)), answered=False)
        assert driver.ask(bytes((GET_ATR,))) == NEW
        reader.remove()
        assert driver.ask(CHALLENGE) == b""


def test_messages_may_come_in_pieces_or_together(driver: Driver):
    with VirtualReader(driver.port) as reader:
        reader.insert(Tag(0xAA))
        driver.accept()
        line = driver.line
        assert line is not None
        line.sendall(b"\x00\x01\x01\x00\x05\x00\x84")
        line.sendall(b"\x00\x00\x08\x00\x01\x04")
        assert line.recv(5, socket.MSG_WAITALL) == b"\x00\x03\xaa\x90\x00"
        assert line.recv(5, socket.MSG_WAITALL) == b"\x00\x03" + OLD


def test_a_bug_of_the_card_comes_out_where_the_next_card_is_presented(driver: Driver):
    class Broken(Tag):
        def transmit(self, command: bytes) -> bytes:
            raise ZeroDivisionError("bug")

    reader = VirtualReader(driver.port)
    reader.insert(Broken(0xAA))
    driver.accept()
    driver.ask(bytes((POWER_ON,)), answered=False)
    assert driver.ask(CHALLENGE) == b""
    reader.wait()
    with pytest.raises(ZeroDivisionError):
        reader.present(Tag(0xBB))


def test_no_driver_is_named(driver: Driver):
    driver.close()
    with pytest.raises(NoVirtualReader, match=f"127.0.0.1:{driver.port}; install vsmartcard-vpcd"):
        VirtualReader(driver.port).insert(ReplayConnection((Exchange.of("00", None),)))
