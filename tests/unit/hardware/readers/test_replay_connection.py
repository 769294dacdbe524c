"""A transcript in place of a card."""

from __future__ import annotations

import pytest

from card_os.wire.dialogue import CardGone
from hardware.readers.replay import Exchange, ReplayConnection, TranscriptDiffers

SELECT = Exchange.of("00A4 0000 02 3F00", "9000")
CHALLENGE = Exchange.of("0084 0000 08", "0102030405060708 9000")


def test_answers_as_recorded_and_finishes():
    card = ReplayConnection((SELECT, CHALLENGE), atr=bytes.fromhex("3B6D0000"))
    assert card.reset() == card.atr == bytes.fromhex("3B6D0000")
    assert card.transmit(SELECT.command) == bytes.fromhex("9000")
    assert card.transmit(CHALLENGE.command) == bytes.fromhex("01020304050607089000")
    card.finish()


def test_another_command_is_refused_and_both_are_named():
    card = ReplayConnection((SELECT,))
    with pytest.raises(TranscriptDiffers, match="command 1 is 0084000008, recorded is 00A40000023F00"):
        card.transmit(CHALLENGE.command)


def test_a_command_after_the_end_is_refused():
    with pytest.raises(TranscriptDiffers, match="after the last"):
        ReplayConnection(()).transmit(SELECT.command)


def test_a_conversation_that_ends_early_is_refused():
    card = ReplayConnection((SELECT, CHALLENGE))
    card.transmit(SELECT.command)
    with pytest.raises(TranscriptDiffers, match="1 recorded commands were not sent; the next is 0084000008"):
        card.finish()


def test_a_recorded_pull_raises():
    card = ReplayConnection((Exchange.of("0084000008", None),))
    with pytest.raises(CardGone):
        card.transmit(CHALLENGE.command)
    card.finish()
