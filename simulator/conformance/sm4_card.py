"""A citizen card of the SM4 suite for the kit: made by commands alone, because issuing personalises 3DES cards only."""

from __future__ import annotations

from random import Random

from card_os.crypto.authentication import external_cryptogram
from card_os.crypto.suites import SM4, Algorithm
from card_os.engine.bytecard import ByteCard
from card_os.engine.stock import blank_card
from card_os.profile import personalisation as make
from card_os.profile.files import ApplicationSpec, KeySpec, KeyType, Structure
from card_os.profile.sm4 import CITIZEN_CARD_SM4
from card_os.wire import commands
from card_os.wire.dialogue import Dialogue, ask_card
from card_os.wire.identifiers import KEY_MASTER_FILE, MASTER_FILE
from hardware.readers.drive import Ports, drive
from hardware.vault.demonstration import master
from hardware.vault.vault import KeyLabel
from issuing.personalisation.contents import DEMONSTRATION_PIN, Contents
from simulator.softcard.demonstration import demonstration_contents
from simulator.softcard.memory import CardMemory

_CHALLENGE = 16


def sm4_memory(number: int) -> CardMemory:
    """Its keys are the visible test masters of ``hardware.vault.demonstration`` themselves, not diversified."""
    memory, chip = CardMemory(), number.to_bytes(8, "big")
    blank = blank_card(memory, chip, master(KeyLabel.TRANSPORT), Random(number).randbytes, Algorithm.SM4)
    drive(_personalise(demonstration_contents(CITIZEN_CARD_SM4, number)), Ports(card=ByteCard(blank)))
    return memory


def _personalise(contents: Contents) -> Dialogue[None]:
    yield from ask_card(commands.select_fid(MASTER_FILE))
    yield from _authenticate(KEY_MASTER_FILE, KeyLabel.TRANSPORT)
    yield from _make_files(CITIZEN_CARD_SM4.master_file, contents)
    for application in CITIZEN_CARD_SM4.applications:
        yield from ask_card(commands.select_fid(MASTER_FILE))
        yield from _authenticate(KEY_MASTER_FILE, KeyLabel.TRANSPORT)
        yield from ask_card(make.create_application(application))
        yield from ask_card(commands.select_fid(application.fid))
        yield from ask_card(make.create_key_file(application))
        yield from _write_secrets(application)
        yield from _make_files(application, contents)
    yield from ask_card(commands.select_fid(MASTER_FILE))
    for key in CITIZEN_CARD_SM4.master_file.keys:
        yield from _write_key(key, update=True)


def _authenticate(key_id: int, label: KeyLabel) -> Dialogue[None]:
    challenge = (yield from ask_card(commands.get_challenge(_CHALLENGE))).data
    cryptogram = external_cryptogram(master(label), challenge, suite=SM4)
    yield from ask_card(commands.external_authenticate(key_id, cryptogram))


def _write_key(key: KeySpec, *, update: bool = False) -> Dialogue[None]:
    challenge = (yield from ask_card(commands.get_challenge(_CHALLENGE))).data
    line_key, value = master(KeyLabel.TRANSPORT), master(KeyLabel(key.label))
    yield from ask_card(make.write_key(key, value, line_key=line_key, challenge=challenge, update=update, suite=SM4))


def _write_secrets(application: ApplicationSpec) -> Dialogue[None]:
    for key in application.keys:
        yield from _write_key(key)
    for pin in application.pins:
        challenge = (yield from ask_card(commands.get_challenge(_CHALLENGE))).data
        line_key = master(KeyLabel.TRANSPORT)
        yield from ask_card(make.write_pin(pin, DEMONSTRATION_PIN, line_key=line_key, challenge=challenge, suite=SM4))


def _make_files(directory: ApplicationSpec, contents: Contents) -> Dialogue[None]:
    for file in directory.files:
        yield from ask_card(make.create_file(file))
    if directory.purse is not None:
        yield from ask_card(make.create_purse(directory.purse))
    for key in directory.keys:
        if key.type is KeyType.EXTERNAL and directory.fid != MASTER_FILE:
            yield from _authenticate(key.id, KeyLabel(key.label))
    for file in directory.files:
        for content in contents.get((directory.fid, file.sfi), ()):
            write = commands.update_binary if file.structure is Structure.TRANSPARENT else commands.append_record
            yield from ask_card(write(file.sfi, content))
