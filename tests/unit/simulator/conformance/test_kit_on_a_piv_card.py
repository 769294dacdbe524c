"""A card with a PIV application in a reader is asked what any such card answers, and nothing that is ours."""

from __future__ import annotations

import pytest

from simulator.conformance.benches import InReader
from simulator.conformance.cards import make_card
from simulator.conformance.kit_files import CardKind
from simulator.conformance.kit_reading import load_kit
from simulator.conformance.runner import Verdict, run_kit

KIT = load_kit()


@pytest.mark.parametrize(
    ("kind", "held"), [(CardKind.IDENTITY, True), (CardKind.CITIZEN, False), (CardKind.BLANK, False)]
)
def test_which_conversations_are_held(kind, held):
    bench = InReader(make_card(kind, b""), allowed=True)
    outcomes = [outcome for outcome in run_kit(KIT, bench) if outcome.conversation.card is CardKind.PIV]
    assert outcomes
    assert {outcome.verdict for outcome in outcomes} == {Verdict.PASSED if held else Verdict.SKIPPED}
    ours = [conversation for conversation in KIT if conversation.card is CardKind.IDENTITY]
    assert all("kind identity" in bench.reason_to_skip(conversation) for conversation in ours)
