"""When several status words apply, the one of the earlier stage is answered: pairs of neighbouring faults, and single ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import card_os.engine
from card_os.crypto.secure_messaging import with_mac
from card_os.engine.precedence import ORDER
from card_os.profile import personalisation as perso
from card_os.profile.files import Protection
from card_os.profile.transit import TRANSIT
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.status import MEANINGS

STAGES = [stage.name for stage in ORDER]
TERMINAL = bytes(6)
KEY = TRANSIT.keys[0]


def raw(text: str) -> CommandApdu:
    return CommandApdu.parse(bytes.fromhex(text))


class At:
    """A card in the transit application; each method brings about what its name says and gives the desk back."""

    def __init__(self, desk: Any, kit: Any) -> None:
        self.desk, self.kit = desk, kit
        desk.send(cmd.select_name(names.TRANSIT_AID))

    def secured(self, command: CommandApdu, label: str = "maintenance") -> CommandApdu:
        return with_mac(command, self.kit.child(label), challenge=self.desk.send(cmd.get_challenge(8)))

    def blocked_card(self) -> None:
        self.desk.send(self.secured(CommandApdu(0x84, 0x16, 0, 0)))

    def locked(self, *, good: bool = False) -> None:
        self.desk.send(self.secured(CommandApdu(0x84, 0x1E, 0, int(good))))

    def locked_for_good(self) -> None:
        self.locked(good=True)

    def challenged(self) -> None:
        self.desk.send(cmd.get_challenge(8))

    def no_tries(self) -> None:
        for _ in range(5):
            self.challenged()
            self.desk.card.transmit(CommandApdu(0x84, 0x18, 0, 0, bytes(4)))

    def no_tries_and_challenged(self) -> None:
        self.no_tries()
        self.challenged()

    def no_pin(self) -> None:
        for _ in range(3):
            self.desk.card.transmit(cmd.verify_pin(0, b"99"))

    def may_write(self) -> None:
        self.desk.authenticate(names.KEY_APPLICATION, self.kit.child("application"))

    def may_write_and_challenged(self) -> None:
        self.may_write()
        self.challenged()

    def may_create(self) -> None:
        self.desk.send(cmd.select_fid(names.MASTER_FILE))
        self.desk.authenticate(names.KEY_MASTER_FILE, self.kit.child("maintenance"))
        self.desk.send(cmd.select_name(names.TRANSIT_AID))

    def protected_file(self) -> None:
        self.may_create()
        file = replace(TRANSIT.file(0x15), fid=0x000B, protection=Protection.MAC)
        self.desk.send(perso.create_file(file))

    def protected_file_no_challenge(self) -> None:
        self.protected_file()
        self.may_write()

    def began_a_load(self) -> None:
        self.desk.send(cmd.initialize_for_load(key_id=1, amount_minor=0, terminal=TERMINAL))

    def began_a_compound(self) -> None:
        self.desk.send(cmd.initialize_for_compound_purchase(key_id=1, amount_minor=0, terminal=TERMINAL))

    def pin(self) -> None:
        self.desk.send(cmd.verify_pin(0, self.kit.PIN))

    def social(self) -> None:
        self.desk.send(cmd.select_name(names.SOCIAL_AID))

    def master_file(self) -> None:
        self.desk.send(cmd.select_fid(names.MASTER_FILE))

    def nothing(self) -> None:
        pass


@dataclass(frozen=True)
class Case:
    """``first`` is answered although ``then`` would apply too (None: only the one fault)."""

    first: str
    then: str | None
    sw: int
    command: CommandApdu
    prepare: Callable[[At], None] = At.nothing


def initialize(p1: int, key_id: int, amount: int, purse: int = 2) -> CommandApdu:
    return CommandApdu(0x80, 0x50, p1, purse, bytes((key_id,)) + amount.to_bytes(4, "big") + TERMINAL)


DEBIT = cmd.debit(terminal_sequence=0, date=bytes(4), time=bytes(3), mac1=bytes(4))
CASES = [
    Case("card", "class", 0x6A81, raw("90A40000023F00"), At.blocked_card),
    Case("card", "lock", 0x6A81, cmd.get_balance(), At.blocked_card),
    Case("class", "instruction", 0x6E00, raw("90FF0000")),
    Case("class", "parameters", 0x6E00, raw("90A4090900")),
    Case("instruction", "parameters", 0x6D00, raw("00FFFFFF")),
    Case("instruction", "lock", 0x6D00, raw("00FF0000"), At.locked),
    Case("parameters", "form", 0x6A86, raw("80500909 01 00".replace(" ", ""))),
    Case("parameters", "lock", 0x6A86, raw("805C0402"), At.locked_for_good),
    Case("form", "lock", 0x6700, raw("8050010201 00".replace(" ", "")), At.locked),
    Case("form", "sequence", 0x6700, raw("805401000100")),
    Case("form", "object", 0x6A80, raw("805E010502 3132".replace(" ", ""))),
    Case("lock", "sequence", 0x9303, DEBIT, At.locked_for_good),
    Case("lock", "object", 0x6985, cmd.verify_pin(9, b"12"), At.locked),
    Case("lock", "right", 0x6985, cmd.update_binary(0x15, b"x"), At.locked),
    Case("sequence", "object", 0x6985, raw("80DC0038013000"[:14]), At.nothing),
    Case("sequence", "proof", 0x6985, DEBIT, At.began_a_load),
    Case("object", "right", 0x6A82, cmd.update_binary(0x14, b"x")),
    Case("object", "right", 0x6981, cmd.update_binary(0x18, b"x")),
    Case("object", "right", 0x6981, raw("80DC00B80130"), At.began_a_compound),
    Case("object", "right", 0x6986, raw("00D600000130")),
    Case("object", "right", 0x9403, initialize(0, 9, 1)),
    Case("object", "money", 0x9403, initialize(1, 9, 1)),
    Case("object", "challenge", 0x6A88, cmd.external_authenticate(9, bytes(8))),
    Case("object", "conditions", 0x6A88, cmd.internal_authenticate(9, bytes(8), bytes(8))),
    Case("object", "challenge", 0x6A81, raw("841E000004 00000000".replace(" ", "")), At.master_file),
    Case("object", "money", 0x6A82, cmd.get_transaction_prove(transaction_type=6, sequence=0), At.social),
    Case("right", "challenge", 0x6982, raw("84D40101080000000000000000")),
    Case("right", "content", 0x6982, cmd.update_record(0x1A, 9, b"x")),
    Case("right", "content", 0x6982, raw("80E000190728001EF0F0FF00")),
    Case("right", "money", 0x6982, initialize(0, 1, 0x7FFFFFFF)),
    Case("right", "conditions", 0x6982, raw("800E0000")),
    Case("conditions", None, 0x6985, raw("800E0000"), At.may_create),
    Case("conditions", None, 0x6985, cmd.internal_authenticate(0, bytes(8), bytes(8))),
    Case("challenge", "protection", 0x6984, raw("841E0000")),
    Case("challenge", "tries", 0x6984, raw("841E000004 00000000".replace(" ", "")), At.no_tries),
    Case("challenge", "proof", 0x6984, cmd.external_authenticate(1, bytes(8))),
    Case("protection", "tries", 0x6987, raw("841E0000"), At.no_tries_and_challenged),
    Case("protection", "content", 0x6987, cmd.update_binary(0x0B, b"x", offset=99), At.protected_file_no_challenge),
    Case("tries", "proof", 0x6983, raw("841E000004 00000000".replace(" ", "")), At.no_tries_and_challenged),
    Case("tries", "proof", 0x6983, cmd.verify_pin(0, b"99"), At.no_pin),
    Case("proof", "content", 0x6988, raw("841E000005 0000000000".replace(" ", "")), At.challenged),
    Case("proof", "content", 0x6988, raw("04D6976305 0000000000".replace(" ", "")), At.may_write_and_challenged),
    Case("proof", None, 0x9302, DEBIT, At.began_a_compound),
    Case("proof", None, 0x63C2, cmd.verify_pin(0, b"99")),
    Case("content", "answer", 0x6B00, cmd.read_binary(0x15, offset=99, length=9)),
    Case("content", "answer", 0x6A83, raw("00B209D401")),
    Case("content", None, 0x6700, cmd.update_record(0x1A, 1, b"x"), At.may_write),
    Case("content", None, 0x6B00, cmd.update_binary(0x15, b"x", offset=30), At.may_write),
    Case("money", None, 0x9401, initialize(1, 1, 1)),
    Case("money", None, 0x6A84, initialize(0, 1, 100_001), At.pin),
    Case("money", None, 0x9406, cmd.get_transaction_prove(transaction_type=6, sequence=0)),
    Case("answer", None, 0x6C1E, cmd.read_binary(0x15, length=31)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.first}-{c.then}-{c.sw:04X}-{c.command.header.hex()}")
def test_the_earlier_stage_answers(card: Any, kit: Any, case: Case) -> None:
    at = At(card, kit)
    case.prepare(at)
    answer = card.card.transmit(case.command)
    assert f"{answer.sw}" == f"{case.sw:04X}"
    word = case.sw & 0xFFF0 if case.sw >> 4 == 0x63C else case.sw & 0xFF00 if case.sw >> 8 == 0x6C else case.sw
    assert word in ORDER[STAGES.index(case.first)].words
    if case.then:
        assert STAGES.index(case.first) < STAGES.index(case.then)


def test_every_stage_has_a_case() -> None:
    assert {case.first for case in CASES} == set(STAGES)


def test_a_read_of_a_protected_file_is_judged_before_its_offset(card: Any, kit: Any) -> None:
    at = At(card, kit)
    at.protected_file()
    card.send(cmd.read_binary(0x0B, offset=99), 0x6987)
    card.send(at.secured(cmd.read_binary(0x0B, offset=99)), 0x6B00)


def _sources() -> str:
    folder = Path(card_os.engine.__file__).parent
    return "".join(p.read_text() for p in folder.glob("*.py") if not p.name.startswith(("identity", "precedence")))


def test_every_word_the_engine_says_is_in_the_table_and_has_a_meaning() -> None:
    said = {int(word, 16) for word in re.findall(r"Refusal\((?:0x([0-9A-F]{4}))", _sources())}
    said |= {int(word, 16) for word in re.findall(r"(?:if|else|missing[^=]*=) 0x([0-9A-F]{4})", _sources())}
    said = {word for word in said if word >= 0x6100} - {0x9000}
    assert len(said) > 15
    assert said - frozenset().union(*(stage.words for stage in ORDER)) == set()
    assert {word for word in said if word not in MEANINGS and word & 0xFFF0 != 0x63C0} == set()


def test_the_page_has_the_same_table() -> None:
    page = (Path(__file__).parents[4] / "docs" / "card.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([a-z]+) \| ([0-9A-Fx ]+) \| (.+) \|$", page, re.MULTILINE)
    expected = [
        (str(number), stage.name, {f"{word:04X}" for word in stage.words}, stage.asks)
        for number, stage in enumerate(ORDER, 1)
    ]
    shown = [
        (n, name, set(words.replace("63Cx", "63C0").replace("6Cxx", "6C00").split()), asks)
        for n, name, words, asks in rows
    ]
    assert shown == expected
