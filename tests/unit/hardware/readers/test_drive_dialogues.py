"""Dialogues answered from ports: length correction, GET RESPONSE, and failures raised where they happened."""

from __future__ import annotations

from typing import Any

import pytest

from card_os.wire.apdu import CommandApdu
from card_os.wire.dialogue import CardGone, Dialogue, Persist, ToSam, ToVault, UnexpectedStatus, ask_card
from hardware.readers.drive import AsyncPorts, Ports, drive, drive_async, exchange
from hardware.readers.replay import Exchange, ReplayConnection

CHALLENGE = CommandApdu(0, 0x84, 0, 0, ne=8)


@pytest.mark.parametrize(
    ("transcript", "data"),
    [
        pytest.param((("0084000008", "01029000"),), "0102", id="plain"),
        pytest.param((("0084000008", "6C02"), ("0084000002", "01029000")), "0102", id="wrong Le"),
        pytest.param((("0084000008", "6102"), ("00C0000002", "01029000")), "0102", id="GET RESPONSE"),
        pytest.param(
            (("0084000008", "016102"), ("00C0000002", "026101"), ("00C0000001", "039000")), "010203", id="in pieces"
        ),
        pytest.param((("0084000008", "6100"), ("00C0000000", "01029000")), "0102", id="61 00 means 256"),
    ],
)
def test_lengths_are_resolved_by_the_port(transcript: tuple[tuple[str, str], ...], data: str):
    card = ReplayConnection(Exchange.of(*pair) for pair in transcript)
    assert exchange(card, CHALLENGE).data == bytes.fromhex(data)
    card.finish()


@pytest.mark.parametrize("answer", [bytes.fromhex("6110"), bytes(256) + bytes.fromhex("6100")], ids=["empty", "full"])
def test_an_answer_that_never_ends_is_a_card_that_is_not_there(answer: bytes):
    class Endless:
        atr = b""
        count = 0

        def transmit(self, command: bytes) -> bytes:
            self.count += 1
            assert self.count < 1000
            return answer

        def reset(self) -> bytes:
            return b""

    with pytest.raises(CardGone, match="never ends"):
        exchange(Endless(), CHALLENGE)


def test_get_response_keeps_the_logical_channel():
    card = ReplayConnection((Exchange.of("83CA000100", "6102"), Exchange.of("03C0000002", "AABB9000")))
    assert exchange(card, CommandApdu(0x83, 0xCA, 0, 1, ne=256)).data == b"\xaa\xbb"


def test_an_unexpected_status_ends_the_dialogue_and_hides_the_data_field():
    card = ReplayConnection((Exchange.of("0020000003123456", "63C2"),))
    with pytest.raises(UnexpectedStatus) as refused:
        drive(ask_card(CommandApdu(0, 0x20, 0, 0, bytes.fromhex("123456"))), Ports(card=card))
    assert refused.value.sw.retries_left == 2
    assert "123456" not in str(refused.value)


def surviving() -> Dialogue[str]:
    try:
        yield from ask_card(CHALLENGE)
    except CardGone:
        yield Persist("card gone")
        return "noted"
    return "answered"


def test_a_failing_port_raises_into_the_dialogue_at_its_yield():
    noted: list[Any] = []
    gone = ReplayConnection((Exchange.of("0084000008", None),))
    assert drive(surviving(), Ports(card=gone, persist=noted.append)) == "noted"
    assert noted == ["card gone"]


def asking_vault() -> Dialogue[Any]:
    return (yield ToVault("question"))


def asking_sam() -> Dialogue[Any]:
    return (yield ToSam(CHALLENGE))


def test_a_port_that_was_not_given_must_not_be_asked():
    with pytest.raises(LookupError, match="asks str"):
        drive(asking_vault(), Ports())
    with pytest.raises(LookupError, match="asks ToSam"):
        drive(asking_sam(), Ports())


async def test_the_asynchronous_driver_has_no_sam():
    async def vault(operation: str) -> str:
        return operation.upper()

    assert await drive_async(asking_vault(), AsyncPorts(vault=vault)) == "QUESTION"
    with pytest.raises(LookupError):
        await drive_async(asking_sam(), AsyncPorts())
