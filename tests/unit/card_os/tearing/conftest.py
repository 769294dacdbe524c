"""Every command of the card as a table: what changes its state is torn at every byte, the rest is shown to write nothing.

A command new in ``card_os.engine.commands.Command`` (or in the identity application's union; see ``*_rows.py``) makes
``test_every_state_change.py`` fail until it is here. Give it a ``Row`` in ``ROWS``, whose ``prepare`` sends all that comes
before it and answers the APDU to be torn; or, where it writes nothing, one in ``WRITES_NOTHING``. The fuzzer
(``tests/unit/card_os/fuzzing``) takes its conversations from the same table.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from card_os.crypto.mac import fold
from card_os.crypto.purse import TransactionType
from card_os.crypto.secure_messaging import enciphered, with_mac
from card_os.crypto.suites import TRIPLE_DES
from card_os.engine import Card, commands
from card_os.profile import personalisation as perso
from card_os.profile.files import KeySpec, KeyType
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.profile.social_security import SOCIAL_SECURITY
from card_os.profile.transit import TRANSIT
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.identity import IDENTITY_AID
from simulator.softcard.memory import CardMemory

KEY = KeySpec(label="purchase", type=KeyType.PURCHASE, id=1, version=2)
FILE = replace(TRANSIT.file(names.SFI_PUBLIC), fid=0x0013, size=20)
RECORDS = replace(SOCIAL_SECURITY.file(names.SFI_SOCIAL_HOLDER), fid=0x0013, size=40)
NEW_PIN, WRONG_PIN = bytes.fromhex("654321"), bytes.fromhex("999999")
TRIP = bytes(range(48))


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


deposit, identity = _beside("deposit_rows"), _beside("identity_rows")


class Bench:
    """A card with money, log and proofs on it, its transit PSAM and a hospital PSAM; always the same."""

    def __init__(self, kit: Any, desk: Callable[[Card], Any] | None = None) -> None:
        self.kit = kit
        make = desk or kit.Desk
        self.memories = {name: Recorder(images(kit)[name]) for name in ("card", "sam", "hospital")}
        self.card, self.sam, self.hospital = (
            make(Card(self.memories[name], kit.counting_random())) for name in ("card", "sam", "hospital")
        )
        self.card.send(cmd.select_name(names.TRANSIT_AID))
        self.sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
        self.hospital.send(cmd.select_fid(names.SOCIAL_SAM_DF))
        self._make = make

    @cached_property
    def identity(self) -> Any:
        """The card with the identity application, only where it is asked for."""
        self.memories["identity"] = memory = Recorder(_identity_image(self.kit))
        desk = self._make(identity.card_over(memory, self.kit))
        desk.send(cmd.select_name(IDENTITY_AID))
        return desk

    def challenge(self) -> bytes:
        answer: bytes = self.card.send(cmd.get_challenge(8))
        return answer


class Recorder(CardMemory):
    """Keeps what is written from ``record`` on."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.writes: list[tuple[int, bytes]] = []

    def record(self) -> bytes:
        """The content before."""
        self.writes = []
        return self.content

    def write(self, offset: int, data: bytes) -> None:
        super().write(offset, data)
        self.writes.append((offset, data))


_IMAGES: dict[str, bytes] = {}


def images(kit: Any) -> dict[str, bytes]:
    if "card" not in _IMAGES:
        card, memory = kit.personalised_card()
        desk, sam, hospital = (
            kit.Desk(card),
            kit.Desk(kit.personalised_sam(TRANSIT_SAM)),
            kit.personalised_sam(HOSPITAL_SAM),
        )
        sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
        desk.send(cmd.select_name(names.TRANSIT_AID))
        kit.load(desk, 5000)
        kit.purchase(desk, sam, 100, trip=bytes(48))
        _IMAGES.update(card=memory.content, sam=sam.card._memory.content, hospital=hospital._memory.content)
    return _IMAGES


def _identity_image(kit: Any) -> bytes:
    if "identity" not in _IMAGES:
        _IMAGES["identity"] = identity.image(kit)
    return _IMAGES["identity"]


def _opened(b: Bench) -> None:
    b.card.send(cmd.select_fid(names.MASTER_FILE))
    b.card.authenticate(names.KEY_MASTER_FILE, b.kit.child("maintenance"))
    b.card.send(cmd.select_name(names.TRANSIT_AID))


def _application(b: Bench) -> None:
    b.card.authenticate(names.KEY_APPLICATION, b.kit.child("application"))


def _write_key(b: Bench, key: KeySpec, **options: Any) -> CommandApdu:
    _opened(b)
    line_key = b.kit.child("maintenance")
    return perso.write_key(key, b"K" * 16, line_key=line_key, challenge=b.challenge(), **options)


def _secured(b: Bench, command: CommandApdu, label: str = "maintenance") -> CommandApdu:
    return with_mac(command, b.kit.child(label), challenge=b.challenge())


def _create_file(b: Bench) -> CommandApdu:
    _opened(b)
    return perso.create_file(FILE)


def _create_directory(b: Bench) -> CommandApdu:
    b.card.send(cmd.select_fid(names.MASTER_FILE))
    b.card.authenticate(names.KEY_MASTER_FILE, b.kit.child("maintenance"))
    return perso.create_application(replace(TRANSIT, fid=0x1002, name=b"A SECOND ONE"))


def _verify(b: Bench, pin: bytes, *, wrong_before: int = 0) -> CommandApdu:
    for left in range(wrong_before):
        b.card.send(cmd.verify_pin(names.PIN, WRONG_PIN), 0x63C2 - left)
    return cmd.verify_pin(names.PIN, pin)


def _change_pin(b: Bench) -> CommandApdu:
    return CommandApdu(0x80, 0x5E, 0x01, names.PIN, b.kit.PIN + b"\xff" + NEW_PIN)


def _reload_pin(b: Bench) -> CommandApdu:
    _verify(b, WRONG_PIN, wrong_before=3)
    mac = TRIPLE_DES.transaction_mac(fold(b.kit.child("pin-reload")), NEW_PIN)
    return CommandApdu(0x80, 0x5E, 0x00, names.PIN, NEW_PIN + mac)


def _external(b: Bench, label: str = "application") -> CommandApdu:
    return cmd.external_authenticate(
        names.KEY_APPLICATION, b.kit.external_cryptogram(b.kit.child(label), b.challenge())
    )


def _update_binary(b: Bench) -> CommandApdu:
    _application(b)
    return cmd.update_binary(0x17, bytes(range(40)))


def _update_record(b: Bench) -> CommandApdu:
    _application(b)
    return CommandApdu(0x00, 0xDC, 0x01, names.SFI_TRANSIT_PROCESS << 3 | 4, bytes(range(128)))


def _append_record(b: Bench) -> CommandApdu:
    _application(b)
    return cmd.append_record(names.SFI_TRIP_LOG, TRIP)


def _append_variable(b: Bench) -> CommandApdu:
    _opened(b)
    b.card.send(cmd.select_name(names.SOCIAL_AID))
    b.card.send(perso.create_file(RECORDS))
    b.card.authenticate(names.KEY_SOCIAL_UPDATE, b.kit.child("social-update"))
    b.card.send(cmd.append_record(RECORDS.sfi, b"one"))
    return cmd.append_record(RECORDS.sfi, b"another")


def _block(b: Bench, *, permanent: bool = False) -> CommandApdu:
    return _secured(b, CommandApdu(0x84, 0x1E, 0, int(permanent)))


def _unblock(b: Bench) -> CommandApdu:
    b.card.send(_block(b))
    return _secured(b, CommandApdu(0x84, 0x18, 0, 0))


def _block_card(b: Bench) -> CommandApdu:
    return _secured(b, CommandApdu(0x84, 0x16, 0, 0))


def _unblock_pin(b: Bench) -> CommandApdu:
    _verify(b, WRONG_PIN, wrong_before=3)
    key = b.kit.child("pin-unblock")
    return with_mac(CommandApdu(0x84, 0x24, 0x00, names.PIN, enciphered(key, NEW_PIN)), key, challenge=b.challenge())


def _erase(b: Bench) -> CommandApdu:
    _opened(b)
    b.card.send(cmd.select_name(names.SOCIAL_AID))
    return CommandApdu(0x80, 0x0E, 0, 0)


def _plain_debit(b: Bench) -> CommandApdu:
    return b.kit.begin_purchase(b.card, b.sam, 300)


def _debit(b: Bench) -> CommandApdu:
    return b.kit.begin_purchase(b.card, b.sam, 300, trip=TRIP)


def _debit_with_full_files(b: Bench) -> CommandApdu:
    """The log and the trips go round: the oldest of each is written over."""
    for _ in range(30):
        b.kit.purchase(b.card, b.sam, 1, trip=TRIP[::-1])
    return _debit(b)


def _sam_credit(b: Bench) -> CommandApdu:
    return cmd.sam_credit_for_purchase(cmd.Debited.parse_debit(b.card.send(_debit(b))).mac2)


@dataclass(frozen=True)
class Row:
    """``of`` is the command's class; the APDU that ``prepare`` answers goes to the card ``on`` and must be answered ``sw``."""

    of: type
    prepare: Callable[[Bench], CommandApdu]
    on: str = "card"
    sw: int = 0x9000


ROWS: dict[str, Row] = {
    "UPDATE BINARY": Row(commands.UpdateBinary, _update_binary),
    "UPDATE RECORD": Row(commands.UpdateRecord, _update_record),
    "APPEND RECORD, cyclic": Row(commands.AppendRecord, _append_record),
    "APPEND RECORD, variable": Row(commands.AppendRecord, _append_variable),
    "EXTERNAL AUTHENTICATE": Row(commands.ExternalAuthenticate, _external),
    "EXTERNAL AUTHENTICATE, wrong": Row(commands.ExternalAuthenticate, lambda b: _external(b, "load"), sw=0x63C4),
    "VERIFY": Row(commands.Verify, lambda b: _verify(b, b.kit.PIN)),
    "VERIFY, right after two wrong": Row(commands.Verify, lambda b: _verify(b, b.kit.PIN, wrong_before=2)),
    "VERIFY, wrong": Row(commands.Verify, lambda b: _verify(b, WRONG_PIN), sw=0x63C2),
    "VERIFY, wrong for the last time": Row(commands.Verify, lambda b: _verify(b, WRONG_PIN, wrong_before=2), sw=0x63C0),
    "CHANGE PIN": Row(commands.ChangePin, _change_pin),
    "RELOAD PIN": Row(commands.ReloadPin, _reload_pin),
    "PIN UNBLOCK": Row(commands.UnblockPin, _unblock_pin),
    "ERASE DF": Row(commands.EraseDirectory, _erase),
    "CREATE FILE, an EF": Row(commands.CreateFile, _create_file),
    "CREATE FILE, a DF": Row(commands.CreateFile, _create_directory),
    "WRITE KEY, a new one": Row(commands.WriteKey, lambda b: _write_key(b, replace(KEY, id=2))),
    "WRITE KEY, replaced": Row(commands.WriteKey, lambda b: _write_key(b, KEY, update=True)),
    "APPLICATION BLOCK": Row(commands.BlockApplication, _block),
    "APPLICATION BLOCK for good": Row(commands.BlockApplication, lambda b: _block(b, permanent=True)),
    "APPLICATION UNBLOCK": Row(commands.UnblockApplication, _unblock),
    "CARD BLOCK": Row(commands.BlockCard, _block_card),
    "CREDIT FOR LOAD": Row(commands.CreditForLoad, lambda b: b.kit.begin_load(b.card, 700)),
    "DEBIT": Row(commands.Debit, _plain_debit),
    "DEBIT with two cached records": Row(commands.Debit, _debit),
    "DEBIT, log and trips full": Row(commands.Debit, _debit_with_full_files),
    "CREDIT SAM FOR PURCHASE": Row(commands.SamCredit, _sam_credit, on="sam"),
    **{name: Row(of, prepare) for name, (of, prepare) in deposit.CHANGING.items()},
    **{name: Row(of, prepare, "identity", sw) for name, (of, prepare, sw) in identity.CHANGING.items()},
}
"""Every state-changing command. One that changes different things in different cases has a row for each."""


def _initialized(b: Bench) -> CommandApdu:
    command = cmd.initialize_for_compound_purchase(key_id=names.KEY_PURCHASE, amount_minor=1, terminal=b.kit.TERMINAL)
    b.card.send(command)
    return command


def _cache(b: Bench) -> CommandApdu:
    _initialized(b)
    return cmd.cache_trip(TRIP)


def _sam_initialize(b: Bench) -> CommandApdu:
    card = cmd.PurchaseInitialized.parse(b.card.send(_initialized(b)))
    return cmd.sam_initialize_for_purchase(
        card=card, amount_minor=1, transaction_type=TransactionType.COMPOUND, date=b.kit.DATE, time=b.kit.TIME,
        serial=b.kit.CARD_FACTORS[1], issuer=b.kit.ISSUER,
    )  # fmt: skip


def _sam_session(b: Bench) -> CommandApdu:
    city, card = b.kit.SOCIAL_FACTORS
    return cmd.sam_social_session(card_factor=card, city_factor=city, random=bytes(8))


def _sam_encrypt(b: Bench) -> CommandApdu:
    b.hospital.send(_sam_session(b))
    return cmd.sam_encrypt(bytes(8))


def _sam_mac(b: Bench) -> CommandApdu:
    b.hospital.send(_sam_session(b))
    return cmd.sam_mac(bytes(8), bytes(8))


def _internal(b: Bench) -> CommandApdu:
    b.card.send(cmd.select_name(names.SOCIAL_AID))
    return cmd.internal_authenticate(names.KEY_SOCIAL_INTERNAL, bytes(8), bytes(8))


def _internal_compute(b: Bench) -> CommandApdu:
    key = KeySpec(label="test", type=KeyType.TAC_OR_INTERNAL, id=7)
    b.card.send(_write_key(b, key))
    return CommandApdu(0x00, 0x88, 0x00, key.id, bytes(16), 16)


def _prove(b: Bench) -> CommandApdu:
    return cmd.get_transaction_prove(transaction_type=TransactionType.COMPOUND, sequence=0)


def _ask_for_load(b: Bench) -> CommandApdu:
    return cmd.initialize_for_load(key_id=names.KEY_LOAD, amount_minor=0, terminal=b.kit.TERMINAL)


WRITES_NOTHING: dict[type, Row] = {
    row.of: row
    for row in (
        Row(commands.SelectFile, lambda b: cmd.select_fid(names.MASTER_FILE)),
        Row(commands.SelectName, lambda b: cmd.select_name(names.TRANSIT_AID)),
        Row(commands.ReadBinary, lambda b: cmd.read_binary(names.SFI_PUBLIC)),
        Row(commands.ReadRecord, lambda b: cmd.read_record(names.SFI_LOG, 1)),
        Row(commands.GetChallenge, lambda b: cmd.get_challenge(8)),
        Row(commands.InternalAuthenticate, _internal),
        Row(commands.InternalCompute, _internal_compute),
        Row(commands.GetBalance, lambda b: cmd.get_balance()),
        Row(commands.InitializeOnline, _ask_for_load),
        Row(commands.InitializeOffline, _initialized),
        Row(commands.UpdateCappCache, _cache),
        Row(commands.GetTransactionProve, _prove),
        Row(commands.SamInitialize, _sam_initialize, on="sam"),
        Row(commands.SamSession, _sam_session, on="hospital"),
        Row(commands.SamEncrypt, _sam_encrypt, on="hospital"),
        Row(commands.SamMac, _sam_mac, on="hospital"),
        *(Row(of, prepare, on="identity") for of, prepare in identity.QUIET),
    )
}
"""Commands after which power may go at any time: shown below to write nothing."""


@pytest.fixture
def bench(kit: Any) -> Callable[[], Bench]:
    """Makes benches, one like the other."""
    return lambda: Bench(kit)


@pytest.fixture
def rows() -> dict[str, Row]:
    return ROWS


@pytest.fixture
def writes_nothing() -> dict[type, Row]:
    return WRITES_NOTHING


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``changing`` is each row of ``ROWS``, ``quiet`` each of ``WRITES_NOTHING``."""
    if "changing" in metafunc.fixturenames:
        metafunc.parametrize("changing", ROWS.values(), ids=ROWS)
    if "quiet" in metafunc.fixturenames:
        metafunc.parametrize("quiet", WRITES_NOTHING.values(), ids=[c.__qualname__ for c in WRITES_NOTHING])
