"""Blank chips as the factory would deliver them, from the seed."""

from __future__ import annotations

from random import Random

from card_os.engine.bytecard import ByteCard
from card_os.engine.stock import blank_card
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from simulator.city.witness import Witness
from simulator.softcard.memory import CardMemory

CARD_CHIPS, SAM_CHIPS = 0xC1, 0x5A  # first byte of a chip serial (ours): what the chip is going to be


class Factory:
    """Makes chips with the transport key of the demonstration's vaults; their randomness comes from ``seed``."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._vault = SoftwareVault.demonstration(ISSUING_LABELS)

    def chip(self, kind: int, number: int) -> Witness:
        """One blank, watched. ``kind`` and ``number`` make its serial."""
        serial = bytes((kind,)) + number.to_bytes(7, "big")
        transport = self._vault.child_key(MasterKey(KeyLabel.TRANSPORT), [serial])
        random = Random(f"{self._seed}:{serial.hex()}").randbytes
        return Witness(ByteCard(blank_card(CardMemory(), serial, transport, random)))
