"""The counter's reader at the far end of a line: both ends joined without a network."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from card_os.wire.apdu import CommandApdu
from card_os.wire.dialogue import CardGone, ask_card
from hardware.readers import relay
from hardware.readers.connection import Connection
from hardware.readers.drive import AsyncPorts, drive_async
from hardware.readers.relay import MalformedRelay, RelayedCard, answer
from hardware.readers.replay import Exchange, ReplayConnection

ATR = bytes.fromhex("3B6D000000814E43239900BF7C7A000001")


class Line:
    """What the office says is answered at once by the counter."""

    def __init__(self, card: Connection) -> None:
        self._card = card
        self._answer = ""

    async def send(self, text: str) -> None:
        self._answer = json.dumps(answer(json.loads(text), self._card))

    async def receive(self) -> str:
        return self._answer


def relayed(card: Connection) -> RelayedCard:
    line = Line(card)
    return RelayedCard(line.send, line.receive)


def answering(text: str) -> RelayedCard:
    async def send(_: str) -> None: ...

    async def receive() -> str:
        return text

    return RelayedCard(send, receive)


async def test_a_dialogue_runs_on_the_far_card_with_its_wrong_le_resolved():
    card = ReplayConnection(
        (Exchange.of("0084000000", "6C08"), Exchange.of("0084000008", "01020304050607089000")), atr=ATR
    )
    office = relayed(card)
    assert await office.reset() == ATR
    got = await drive_async(ask_card(CommandApdu(0, 0x84, 0, 0, ne=256)), AsyncPorts(card=office))
    assert got.data == bytes(range(1, 9))
    card.finish()


async def test_a_card_pulled_at_the_counter_is_gone_at_the_office():
    with pytest.raises(CardGone, match="left the counter's reader"):
        await relayed(ReplayConnection((Exchange.of("0084000008", None),))).transmit(bytes.fromhex("0084000008"))


async def test_a_broken_line_is_a_card_gone_with_its_cause():
    async def broken(*_: Any) -> Any:
        raise ConnectionResetError("line down")

    with pytest.raises(CardGone) as gone:
        await RelayedCard(broken, broken).transmit(b"\x00\x84\x00\x00\x08")
    assert isinstance(gone.value.__cause__, ConnectionResetError)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "[" * 2000,
        '{"response": "' + "9000" * 1000 + '"}',
        "{}",
        '{"response": 9000}',
        '{"response": "9"}',
        '{"atr": "3B00"}',
        '{"gone": 1}',
    ],
)
async def test_an_answer_outside_the_protocol_is_refused(text: str):
    with pytest.raises(MalformedRelay):
        await answering(text).transmit(b"\x00\x84\x00\x00\x08")


@pytest.mark.parametrize("question", [{}, {"transmit": 5}, {"transmit": "0"}, {"reset": 1}])
def test_a_question_outside_the_protocol_is_refused_without_showing_its_content(question: dict[str, Any]):
    with pytest.raises(MalformedRelay):
        answer(question, ReplayConnection(()))


def test_a_refused_command_is_not_shown():
    with pytest.raises(MalformedRelay) as refused:
        answer({"transmit": "0020000003123456x"}, ReplayConnection(()))
    assert "123456" not in str(refused.value)


async def test_a_counter_that_never_answers_is_a_card_gone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(relay, "ANSWER_LIMIT_S", 0.01)

    async def send(_: str) -> None: ...

    async def receive() -> str:
        await asyncio.sleep(60)
        return ""

    with pytest.raises(CardGone, match="did not answer"):
        await RelayedCard(send, receive).transmit(b"\x00\x84\x00\x00\x08")


async def test_what_the_counter_says_instead_is_not_repeated():
    with pytest.raises(MalformedRelay) as refused:
        await answering('{"\\u0000SECRET": 1}').transmit(b"\x00\x84\x00\x00\x08")
    assert "SECRET" not in str(refused.value)
