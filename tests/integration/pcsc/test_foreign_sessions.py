"""A load and a purchase spoken by programs that know nothing of us: each hears byte for byte what the card answers in process.

The conversation is made with a twin of the card (same cells, same random), so its MACs are right for the card in the reader."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from card_os.crypto import purse as macs
from card_os.crypto.session import load_session_key, purchase_session_key
from card_os.engine import ByteCard
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from hardware.readers.pcsc import PcscConnection
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from simulator.softcard.daemon import ReaderPair, VirtualReaders
from simulator.softcard.vpcd import VirtualReader

pytestmark = pytest.mark.needs_pcsc

LIMIT_S = 60
ISSUER, SERIAL = bytes.fromhex("01991000FFFFFFFF"), bytes.fromhex("9910000000000001")
TERMINAL = bytes.fromhex("991000000042")
MOMENT = {"date": bytes.fromhex("20260915"), "time": bytes.fromhex("081500")}
PIN = bytes.fromhex("123456")
VAULT = SoftwareVault.demonstration(frozenset(KeyLabel) | ISSUING_LABELS)
JAVA_SOURCE = Path(__file__).parent / "java" / "Purse.java"
PCSC_LIBRARIES = ("/usr/lib/x86_64-linux-gnu/libpcsclite.so.1", "/usr/lib/aarch64-linux-gnu/libpcsclite.so.1")


def key(label: KeyLabel) -> bytes:
    return VAULT.child_key(MasterKey(label), [ISSUER, SERIAL])


@dataclass
class Twin:
    """The card in process; keeps what was said."""

    card: ByteCard
    said: list[tuple[bytes, bytes]]

    def ask(self, command: CommandApdu) -> bytes:
        sent = command.encode()
        answer = self.card.transmit(sent)
        assert answer[-2:] == b"\x90\x00", f"{sent.hex()} answered {answer.hex()}"
        self.said.append((sent, answer))
        return answer[:-2]


def load(twin: Twin, amount_minor: int) -> None:
    twin.ask(commands.verify_pin(names.PIN, PIN))
    command = commands.initialize_for_load(key_id=names.KEY_LOAD, amount_minor=amount_minor, terminal=TERMINAL)
    begun = commands.LoadInitialized.parse(twin.ask(command))
    session = load_session_key(key(KeyLabel.LOAD), card_random=begun.card_random, online_sequence=begun.online_sequence)
    mac2 = macs.load_mac2(session, amount_minor=amount_minor, transaction_type=2, terminal=TERMINAL, **MOMENT)
    twin.ask(commands.credit_for_load(mac2=mac2, **MOMENT))


def purchase(twin: Twin, amount_minor: int) -> None:
    command = commands.initialize_for_compound_purchase(
        key_id=names.KEY_PURCHASE, amount_minor=amount_minor, terminal=TERMINAL
    )
    begun = commands.PurchaseInitialized.parse(twin.ask(command))
    session = purchase_session_key(
        key(KeyLabel.PURCHASE),
        card_random=begun.card_random,
        offline_sequence=begun.offline_sequence,
        terminal_sequence=7,
    )
    mac1 = macs.purchase_mac1(session, amount_minor=amount_minor, transaction_type=9, terminal=TERMINAL, **MOMENT)
    twin.ask(commands.cache_trip(bytes(range(48))))
    twin.ask(commands.debit(terminal_sequence=7, mac1=mac1, **MOMENT))


@pytest.fixture
def conversation(make_card: Callable[[int], ByteCard]) -> list[tuple[bytes, bytes]]:
    twin = Twin(make_card(1), [])
    twin.ask(commands.select_name(names.TRANSIT_AID))
    load(twin, 5000)
    purchase(twin, 1234)
    assert int.from_bytes(twin.ask(commands.get_balance()), "big") == 3766
    twin.ask(commands.get_transaction_prove(transaction_type=9, sequence=0))
    twin.ask(commands.read_record(names.SFI_LOG, 1))
    twin.ask(commands.read_record(names.SFI_TRIP_LOG, 1))
    return twin.said


@pytest.fixture
def card(pair: ReaderPair, make_card: Callable[[int], ByteCard]) -> Iterator[ByteCard]:
    card = make_card(1)
    with VirtualReader(pair.card.port) as slot:
        slot.insert(card)
        with PcscConnection(pair.card.reader, wait_s=5):
            pass  # pcscd has noticed the card: the programs find it at once
        yield card


def run(readers: VirtualReaders, *command: str, script: str = "") -> str:
    environment = {**os.environ, **readers.environment, "LC_ALL": "C"}
    ended = subprocess.run(
        command, env=environment, input=script, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    return ended.stdout + ended.stderr


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m|\s", "", text.upper())


def balance_of(card: ByteCard) -> int:
    """What the programs have left on the card."""
    card.reset()
    card.transmit(commands.select_name(names.TRANSIT_AID).encode())
    return int.from_bytes(card.transmit(commands.get_balance().encode())[:4], "big")


def test_scriptor_loads_and_pays(readers, pair, card, tool, conversation) -> None:
    script = "reset\n" + "\n".join(sent.hex(" ") for sent, _ in conversation) + "\n"
    answers = run(readers, tool("scriptor"), "-r", pair.card.reader, script=script).split("\n> ")
    assert len(answers) >= len(conversation)
    for (sent, answer), shown in zip(conversation, answers[-len(conversation) :], strict=True):
        assert answer.hex().upper() in plain(shown), f"{sent.hex()}: {shown}"
    assert balance_of(card) == 3766


def test_opensc_explorer_loads_and_pays(readers, pair, card, tool, conversation) -> None:
    """Its line of bytes per command, its dump of bytes and characters per answer."""
    script = "\n".join(f"apdu {sent.hex(' ')}" for sent, _ in conversation) + "\nquit\n"
    shown = run(readers, tool("opensc-explorer"), "-r", pair.card.reader, "-c", "default", script=script)
    parts = shown.split("Received (SW1=")[1:]
    assert len(parts) == len(conversation)
    for (_, answer), part in zip(conversation, parts, strict=True):
        assert part.startswith("0x90, SW2=0x00")
        dump = [line for line in part.splitlines()[1:] if re.match(r"[0-9A-F]{2} ", line)]
        data = answer[:-2]
        expected = [data[at : at + 16].hex(" ").upper() for at in range(0, len(data), 16)]
        assert len(dump) == len(expected)
        assert all(line.startswith(start) for line, start in zip(dump, expected, strict=True))
    assert balance_of(card) == 3766


def test_opensc_explorer_walks_the_card_with_its_own_commands(readers, pair, card, tool) -> None:
    """SELECT by name, READ RECORD, GET CHALLENGE and VERIFY as OpenSC itself makes them."""
    steps = (
        "cd aid:A000000632010105",
        "cat sfi:26 1",
        "cat sfi:30 1",
        "random 8",
        "verify CHV0 99:99:99",
        "verify CHV0 12:34:56",
        "cd aid:7378312E73682EC9E7BBE1B1A3D5CF",
        "cat sfi:5 1",
    )
    script = "\n".join(steps) + "\nquit\n"
    shown = run(readers, tool("opensc-explorer"), "-r", pair.card.reader, "-c", "default", script=script)
    assert "00000000: 27 01 7D 00" in shown
    assert "Record not found" in shown
    assert "Incorrect code, 2 tries left." in shown
    assert "Code correct." in shown
    assert re.search(r"random 8\n00000000: (?:[0-9A-F]{2} ){8}", shown)


@pytest.fixture
def java(tmp_path: Path) -> list[str]:
    """The program compiled, and how to start it; a skip that names what is missing."""
    library = next((path for path in PCSC_LIBRARIES if Path(path).exists()), None)
    missing = [name for name in ("javac", "java") if shutil.which(name) is None]
    if missing or library is None:
        pytest.skip(
            f"{', '.join(missing) or 'libpcsclite.so.1'} missing: Debian packages default-jdk-headless libpcsclite1"
        )
    subprocess.run(["javac", "-d", str(tmp_path), str(JAVA_SOURCE)], check=True, timeout=LIMIT_S)
    return ["java", f"-Dsun.security.smartcardio.library={library}", "-cp", str(tmp_path), "Purse"]


def test_the_jdks_smartcardio_loads_and_pays(readers, pair, card, java, conversation) -> None:
    shown = run(readers, *java, pair.card.reader, *(sent.hex() for sent, _ in conversation))
    lines = shown.splitlines()
    assert lines[:3] == [
        f"terminals {2 * len(readers.pairs)} present true",
        f"atr {card.atr.hex().upper()}",
        f"historical {card.atr[4:].hex().upper()}",
    ]
    expected = [f"{sent.hex()} -> {answer[:-2].hex().upper()} 9000" for sent, answer in conversation]
    assert lines[3:-1] == expected
    assert lines[-1] == "after reset 6A82 T=0"
    assert balance_of(card) == 3766
