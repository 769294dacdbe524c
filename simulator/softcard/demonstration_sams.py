"""Personalised PSAMs with visible test keys, without an office around them."""

from __future__ import annotations

from random import Random

from card_os.engine.bytecard import ByteCard
from card_os.engine.stock import blank_sam
from card_os.profile.files import CardSpec
from hardware.readers.drive import Ports, drive
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.operations import perform
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.contents import sam_contents
from issuing.personalisation.dialogue import Plan, personalise
from issuing.personalisation.identity import Identity
from simulator.softcard.demonstration import VALIDITY
from simulator.softcard.memory import CardMemory

_CHIPS_OF_SAMS = 0xF0 << 56  # apart from the chips of the demonstration's cards


def demonstration_sam_memory(spec: CardSpec, number: int) -> CardMemory:
    """The cells of PSAM ``number`` (terminal number 9910 and eight digits) after personalisation by issuing's own dialogue."""
    chip = (_CHIPS_OF_SAMS | number).to_bytes(8, "big")
    identity = Identity(chip_serial=chip, serial=bytes.fromhex(f"00009910{number:012d}"))
    contents = sam_contents(spec, identity, VALIDITY, terminal_number=bytes.fromhex(f"9910{number:08d}"))
    vault = SoftwareVault.demonstration(ISSUING_LABELS)
    memory = CardMemory()
    transport = vault.child_key(MasterKey(KeyLabel.TRANSPORT), [chip])
    blank = ByteCard(blank_sam(memory, chip, transport, Random(number).randbytes))
    ports = Ports(card=blank, vault=lambda operation: perform(vault, operation), persist=lambda _: None)
    drive(personalise(Plan(spec, identity, contents, {}), resumed=False), ports)
    return memory
