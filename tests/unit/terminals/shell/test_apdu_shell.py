"""The APDU shell: names and hex, traces in words, and no secret on the screen or in the history."""

from __future__ import annotations

import io
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from card_os.engine import ByteCard, Card
from card_os.wire.apdu import CommandApdu
from card_os.wire.command_names import REDACTED, SECRET_IN_COMMAND, describe, name_of
from card_os.wire.dialogue import CardGone
from simulator.softcard.demonstration import demonstration_memory
from terminals.shell import prompt
from terminals.shell.shell import Shell, may_be_remembered
from terminals.shell.trace import shown_command
from terminals.shell.words import WORDS, BadLine, parse_line

PIN = "123456"


class Desk:
    """A shell in front of a card, and what it said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        card = ByteCard(Card(demonstration_memory(3), Random(3).randbytes))
        self.shell = Shell(card, say=self.said.append, ask_secret=self._secret)

    def _secret(self, question: str) -> str:
        self.asked.append(question)
        return PIN

    def type(self, line: str) -> str:
        self.said.clear()
        assert self.shell.handle(line)
        return "\n".join(self.said)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_named_command_is_sent_and_explained(desk):
    said = desk.type("select transit")
    assert "> SELECT: 00 A4 04 00 Lc 08 A000000632010105 Le 00" in said
    assert "9000 done" in said
    assert "  6F\n    84 A000000632010105\n    A5\n      9F0C 0199" in said
    assert "> GET BALANCE: 80 5C 00 02 Le 04\n< 00000000, 9000 done" in desk.type("balance")
    assert "INITIALIZE FOR CAPP PURCHASE" in desk.type("counters compound")


def test_hex_is_sent_as_it_is(desk):
    assert "6A82 file not found" in desk.type("00 A4 00 00 02 22 22")
    assert "6D00 instruction unknown" in desk.type("00EE0000")


def test_repeated_and_fetched_answers_are_shown_too(desk):
    desk.type("select transit")
    said = desk.type("00B095001F")
    assert said.count("> READ BINARY") == 2
    assert "6C1E wrong Le" in said


def test_the_pin_is_asked_for_and_nowhere_shown(desk):
    desk.type("select transit")
    said = desk.type("verify")
    assert said == f"> VERIFY: 00 20 00 00 Lc 03 {REDACTED}\n< 9000 done"
    assert desk.asked == ["PIN: "]
    assert PIN not in said


@pytest.mark.parametrize(
    "line",
    [
        "0020000003123456",
        "00 20 00 00 03 12 34 56",
        "805E010006123456FF1111",
        "805E000007654321668835FC",
        "84D4010124" + "12" * 36,
        "8424000014" + "12" * 20,
        "0082000008" + "12" * 8,
        "0087039B0C" + "12" * 12,
        "102C008010" + "12" * 16,
        "00FFFFFF1B" + "12" * 27,
        "00200000" + "04" + "123456",
        "00200000FF123456",
    ],
)
def test_no_secret_is_shown_or_remembered(desk, line):
    data = line.replace(" ", "")[10:]
    assert data.upper() not in desk.type(line).replace(" ", "").upper()
    assert not may_be_remembered(line)
    history = prompt.DiscreetHistory()
    history.append_string(line)
    assert history.get_strings() == []


@given(st.sampled_from(sorted(SECRET_IN_COMMAND)), st.integers(0, 255), st.binary(min_size=4, max_size=60))
def test_the_class_does_not_open_what_an_instruction_hides(ins, cla, secret):
    command = CommandApdu(cla, ins, 0, 0, secret)
    assert secret.hex().upper() not in describe(command).shown
    assert secret.hex().upper() not in shown_command(command.encode()[:-1]), "cut short, so malformed"


@pytest.mark.parametrize("line", ["select transit", "balance", "reset", "verify", "verify 80", "00A40000023F00"])
def test_harmless_lines_are_remembered(line):
    assert may_be_remembered(line)


@pytest.mark.parametrize("line", ["verify 123456", "123456", "12345678", "pin 123456", "", "00"])
def test_a_pin_typed_in_the_wrong_place_is_not_remembered(line):
    assert not may_be_remembered(line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("select", "usage: select NAME"),
        ("select nowhere", "usage: select NAME"),
        ("binary 99", "not from 0 to 30"),
        ("binary zz", "usage: binary SFI"),
        ("record 18", "usage: record SFI NUMBER"),
        ("record 18 1 2", "usage: record SFI NUMBER"),
        ("counters other", "usage: counters"),
        ("prove 2", "usage: prove"),
        ("hello", "neither a command of this shell"),
        ("00A4", "CLA INS P1 P2"),
    ],
)
def test_what_is_no_command_is_answered_with_what_would_be_one(desk, line, said):
    assert said in desk.type(line)


def test_a_verify_without_a_pin_is_not_sent(desk, monkeypatch):
    monkeypatch.setattr(desk.shell, "_ask_secret", lambda question: "")
    assert desk.type("verify") == "! no PIN was given; nothing was sent"


def test_a_length_above_one_byte_is_shown_whole(desk):
    assert "Le 012C" in desk.type("00B0950000012C")
    assert "! 300 is not from 0 to 256" in desk.type("challenge 300")


def test_every_word_of_the_help_can_be_typed(desk):
    said = desk.type("help")
    for word in WORDS:
        assert word in said
    for line in ("select 3F00", "select A000000632010105", "binary 15 4 4", "record 1A 1", "challenge 4", "prove 09 0"):
        assert desk.type(line).startswith("> "), line


def test_reset_takes_rights_and_quit_ends(desk):
    desk.type("select transit")
    desk.type("verify")
    assert "cardholder" not in desk.type("binary 16")
    assert desk.type("reset").startswith("ATR 3B 6D")
    desk.type("select transit")
    assert "6982" in desk.type("binary 16")
    assert desk.shell.handle("") is True
    assert desk.shell.handle(" quit ") is False


def test_a_card_that_left_ends_the_command_not_the_shell():
    class Gone:
        atr = b""

        def reset(self) -> bytes:
            raise CardGone("no card")

        def transmit(self, command: bytes) -> bytes:
            raise CardGone("the card left")

    said: list[str] = []
    shell = Shell(Gone(), say=said.append, ask_secret=lambda _: "")
    assert shell.handle("balance")
    assert shell.handle("reset")
    assert said[1:] == ["! the card left", "! no card"]


def test_names_are_completed():
    def offered(text: str) -> set[str]:
        return {each.text for each in prompt.completer().get_completions(Document(text), CompleteEvent())}

    assert offered("se") == {"select"}
    assert {"transit", "social", "mf"} <= offered("select ")
    assert offered("counters p") == {"purchase"}


def test_a_piped_file_is_read_line_by_line(desk, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"select transit\nverify\n{PIN}\nbalance\nquit\nbalance\n"))
    said: list[str] = []
    shell = Shell(
        ByteCard(Card(demonstration_memory(3), Random(3).randbytes)), say=said.append, ask_secret=prompt.ask_secret
    )
    prompt.run(shell)
    assert [line for line in said if line.startswith("> ")] == [
        "> SELECT: 00 A4 04 00 Lc 08 A000000632010105 Le 00",
        f"> VERIFY: 00 20 00 00 Lc 03 {REDACTED}",
        "> GET BALANCE: 80 5C 00 02 Le 04",
    ]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("00A40000023F00", "SELECT"),
        ("04D6950001AA", "UPDATE BINARY"),
        ("80500002", "INITIALIZE FOR LOAD"),
        ("80500302", "INITIALIZE FOR CAPP PURCHASE"),
        ("80DC00F0", "UPDATE CAPP DATA CACHE"),
        ("00DC01D4", "UPDATE RECORD"),
        ("84DC01D4", "UPDATE RECORD"),
        ("841E0000", "APPLICATION BLOCK"),
        ("BFDE4812", "GENERATE SESSION KEY"),
        ("00EE0000", "unknown command"),
        ("80EE0000", "unknown command"),
    ],
)
def test_what_commands_are_called(command, name):
    assert name_of(CommandApdu.parse(bytes.fromhex(command))) == name


def test_a_line_without_a_word_is_refused():
    with pytest.raises(BadLine):
        parse_line("xyz", lambda _: "")
