"""The conformance kit over a real pcscd: a new card in the reader for each conversation, and a card that only lies there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from hardware.readers.pcsc import PcscConnection
from simulator.conformance.benches import OverPcsc
from simulator.conformance.cards import make_card
from simulator.conformance.cli import app
from simulator.conformance.kit_files import CardKind
from simulator.conformance.kit_reading import load_kit
from simulator.conformance.runner import Verdict, run_kit
from simulator.softcard.vpcd import VirtualReader

pytestmark = pytest.mark.needs_pcsc

PAN = "3109910000000000001"


@pytest.fixture
def bench(pair) -> Iterator[OverPcsc]:
    with VirtualReader(pair.card.port) as card_field, VirtualReader(pair.sam.port) as sam_field:
        for field in (card_field, sam_field):
            field.insert(make_card(CardKind.CITIZEN, b""))
        with PcscConnection(pair.card.reader, wait_s=5) as card, PcscConnection(pair.sam.reader, wait_s=5) as sam:
            yield OverPcsc(card_field, sam_field, card, sam)


def test_our_card_answers_through_pcscd_as_in_process(bench):
    outcomes = list(run_kit(load_kit(), bench))
    assert [(outcome.conversation.name, outcome.reason) for outcome in outcomes if outcome.reason] == []
    assert {outcome.verdict for outcome in outcomes} == {Verdict.PASSED}


def test_the_command_checks_the_card_in_a_reader_and_wants_its_number(pair):
    with VirtualReader(pair.card.port) as field:
        field.insert(make_card(CardKind.CITIZEN, b""))
        with PcscConnection(pair.card.reader, wait_s=5):
            pass
        looked = CliRunner().invoke(app, ["--reader", pair.card.reader], env={"COLUMNS": "200"})
        assert looked.exit_code == 0, looked.output
        assert "give --card with the card's serial" in looked.output
        wrong = CliRunner().invoke(app, ["--reader", pair.card.reader, "--card", "3109910000000000002"])
        assert wrong.exit_code == 2
        assert f"is 0{PAN} or {PAN}" in wrong.output
        right = CliRunner().invoke(app, ["--reader", pair.card.reader, "--card", PAN], env={"COLUMNS": "200"})
        assert right.exit_code == 0, right.output
        assert "give --card" not in right.output
