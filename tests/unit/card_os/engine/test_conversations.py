"""The conformance kit held with our card in process; its files are data: ``simulator/conformance/kit/*.toml``."""

from __future__ import annotations

import pytest

from card_os.profile.transit import PUBLIC_APPLICATION
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from simulator.conformance.benches import InProcess
from simulator.conformance.kit_reading import load_kit
from simulator.conformance.runner import hold

KIT = [pytest.param(conversation, id=conversation.name) for conversation in load_kit()]


@pytest.mark.parametrize("conversation", KIT)
def test_conversation(conversation):
    assert hold(conversation, InProcess().slots(conversation)) == ""


def test_the_fci_carries_file_15(card):
    fci = card.send(cmd.select_name(names.TRANSIT_AID))
    public = card.send(cmd.read_binary(0x15))
    assert fci.endswith(b"\x9f\x0c\x1e" + public)
    assert PUBLIC_APPLICATION.decode(public).pan == "3109910000000000001"


def test_transport_keys_open_nothing_after_personalisation(card, kit):
    transport = kit.child_of_levels(kit.master("transport"), (kit.CHIP,))
    challenge = card.send(cmd.get_challenge(8))
    card.send(cmd.external_authenticate(0, kit.external_cryptogram(transport, challenge)), 0x63C4)
    card.authenticate(0, kit.child("maintenance"))
