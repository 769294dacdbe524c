"""The kit itself: it finds what is wrong, refuses its own faults, and spares a card that somebody put into a reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import card_os.engine
from card_os.wire.dialogue import CardGone
from card_os.wire.status import MEANINGS
from simulator.conformance import cli
from simulator.conformance.benches import InProcess, InReader, Slots
from simulator.conformance.cards import make_card
from simulator.conformance.kit_files import CHANGING, CardKind, MalformedKit, load_kit, read_kit
from simulator.conformance.patterns import MalformedPattern, fill, match, status_fits
from simulator.conformance.runner import Verdict, hold, run_kit

KIT = load_kit()
PAN = "3109910000000000001"
HEADER = '[defaults]\ncard = "citizen"\n[[conversation]]\nname = "one"\nclause = "§1"\n'


@pytest.mark.parametrize(
    ("pattern", "answer", "found"),
    [
        ("9000", "9000", {}),
        ("90 00", "9000", {}),
        ("9?00", "9F00", {}),
        ("6F*", "6F1234", {}),
        ("6F*", "6F", {}),
        ("<a:2><b:1>", "010203", {"a": "0102", "b": "03"}),
        ("{name}FF", "abcdff", {}),
        ("9000", "900000", None),
        ("6F??", "6F", None),
        ("<a:2>", "0102ff", None),
        ("{name}", "ABCE", None),
    ],
)
def test_masks_and_captures(pattern, answer, found):
    assert match(pattern, bytes.fromhex(answer), {"name": "ABCD"}) == found


@pytest.mark.parametrize("pattern", ["9g", "{nothing}", "<a>", "63C-"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(MalformedPattern):
        match(pattern, b"", {})


@pytest.mark.parametrize("text", ["0", "{nothing}", "xy"])
def test_what_is_no_command_is_refused(text):
    with pytest.raises(MalformedPattern):
        fill(text, {})


def test_status_masks():
    assert status_fits("63C?", 0x63C2)
    assert status_fits("6985|6901", 0x6901)
    assert not status_fits("63C?", 0x6300)


@pytest.mark.parametrize("conversation", KIT, ids=lambda conversation: conversation.name)
def test_another_status_is_found_in_every_conversation(conversation):
    """A conversation whose last status says something else fails: none of them passes whatever the card does."""
    last = max(number for number, step in enumerate(conversation.steps) if not step.is_reset or step.data)
    wrong = replace(conversation.steps[last], sw="6FFF", data="EE" if conversation.steps[last].is_reset else None)
    steps = (*conversation.steps[:last], wrong, *conversation.steps[last + 1 :])
    failure = hold(replace(conversation, steps=steps), InProcess().slots(conversation))
    assert failure.startswith(f"step {last + 1}, ")


def test_another_datum_is_found():
    conversation = next(each for each in KIT if each.name == "a purchase, with every published value")
    for number, step in enumerate(conversation.steps):
        if step.data is None or "*" in step.data:
            continue
        data = step.data.replace("56988A13", "56988A14") if "56988A13" in step.data else "EE" + step.data
        steps = (*conversation.steps[:number], replace(step, data=data), *conversation.steps[number + 1 :])
        assert hold(replace(conversation, steps=steps), InProcess().slots(conversation)).startswith(
            f"step {number + 1},"
        )


NOT_OURS = {0x6281, 0x6282, 0x6284, 0x6400, 0x6581, 0x6882, 0x6900, 0x6901, 0x6F00, 0x9301, 0x9407, 0x9408}
"""Words of the table that other cards answer and ours never does."""


def test_every_status_word_of_the_table_is_asked_for_or_not_ours():
    asked = {
        pattern for conversation in KIT for step in conversation.steps if step.sw for pattern in step.sw.split("|")
    }
    missing = {word for word in MEANINGS if not any(status_fits(_widened(pattern), word) for pattern in asked)}
    assert missing <= NOT_OURS
    sources = "".join(path.read_text() for path in Path(card_os.engine.__path__[0]).glob("*.py"))
    assert not [word for word in NOT_OURS if f"0x{word:04X}" in sources]


def _widened(pattern: str) -> str:
    """61xx and 6Cxx stand in the table with 00."""
    return f"{pattern[:2]}??" if pattern[:2] in ("61", "6C") else pattern


def test_a_card_that_leaves_fails_the_conversation():
    class Gone:
        atr = b""

        def reset(self) -> bytes:
            raise CardGone("pulled")

        def transmit(self, command: bytes) -> bytes:
            raise CardGone("pulled")

    assert "pulled" in hold(KIT[0], Slots(Gone(), Gone()))


def test_a_failure_shows_no_pin():
    conversation = next(each for each in KIT if each.name == "three wrong PINs block it")
    steps = (conversation.steps[0], replace(conversation.steps[1], sw="9000"))
    failure = hold(replace(conversation, steps=steps), InProcess().slots(conversation))
    assert "VERIFY" in failure
    assert "<redacted>" in failure
    assert "654321" not in failure


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps = [", "Expected|Invalid|Unclosed"),
        (HEADER + 'steps = [{ send = "00A4", sw = "9000" }]', "why"),
        (HEADER + 'steps = [{ send = "{X}", sw = "9000", why = "" }]', "X"),
        (HEADER + 'steps = [{ send = "0084000008", sw = "9000", data = "{X}", why = "" }]', "nothing is called 'X'"),
        (HEADER + 'steps = [{ send = "0084000008", sw = "9000", why = "", to = "sam" }]', "has none"),
        (HEADER + 'steps = [{ send = "0020000003123456", sw = "9000", why = "" }]', "may change the card"),
        (HEADER + 'steps = [{ send = "00", sw = "9000", why = "", data_ = "" }]', "unknown"),
        (HEADER.replace("citizen", "nobody") + "steps = []", "nobody"),
        (HEADER + "steps = []\n" + HEADER.split("\n", 2)[2] + "steps = []", "two conversations are called 'one'"),
    ],
)
def test_a_kit_with_faults_is_refused_whole(text, said):
    with pytest.raises(MalformedKit, match=said):
        read_kit({"wrong.toml": text})


def test_what_could_change_a_card_says_so_or_brings_its_own_card():
    for conversation in KIT:
        sends = {fill(step.send, _any_values(conversation))[1] for step in conversation.steps if not step.is_reset}
        if sends & CHANGING:
            assert conversation.dangerous or conversation.needs_fresh_card, conversation.name


def _any_values(conversation):
    class Anything(dict):
        def __missing__(self, name):
            return "00"

    return Anything(conversation.words)


class Watched:
    """A card in a reader that remembers what was sent."""

    def __init__(self) -> None:
        self.card = make_card(CardKind.CITIZEN, b"")
        self.atr = self.card.atr
        self.sent: list[bytes] = []
        self.reset = self.card.reset

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return self.card.transmit(command)


def test_a_card_in_a_reader_is_only_looked_at():
    watched = Watched()
    outcomes = list(run_kit(KIT, InReader(watched, allowed=False)))
    assert not [outcome for outcome in outcomes if outcome.verdict is Verdict.FAILED]
    assert sum(outcome.verdict is Verdict.PASSED for outcome in outcomes) >= 10
    assert {command[1] for command in watched.sent}.isdisjoint(CHANGING)
    assert any("give --card" in outcome.reason for outcome in outcomes)


def test_the_named_card_is_tried_and_left_as_it_was_found():
    watched = Watched()
    before = list(run_kit(KIT, InReader(watched, allowed=True)))
    again = list(run_kit(KIT, InReader(watched, allowed=True)))
    assert not [outcome for outcome in before + again if outcome.verdict is Verdict.FAILED]
    assert 0x20 in {command[1] for command in watched.sent}


def test_conversations_of_our_own_card_are_not_held_with_a_foreign_one():
    sam = make_card(CardKind.TRANSIT_SAM, b"")
    bench = InReader(sam, allowed=True)
    assert bench.serials == frozenset()
    reasons = {conversation.card: bench.reason_to_skip(conversation) for conversation in KIT}
    assert "for a card of kind citizen" in reasons[CardKind.CITIZEN]


def test_the_serial_is_checked_before_anything_else(monkeypatch):
    watched = Watched()
    watched.reader = "a reader"
    assert cli.in_reader(watched, PAN).serials == {PAN, f"0{PAN}"}
    watched.sent.clear()
    with pytest.raises(cli.WrongCard, match=f"{PAN}.*not 42; nothing was sent that changes it"):
        cli.in_reader(watched, "42")
    assert {command[1] for command in watched.sent} == {0xA4, 0xB0}


def test_the_command_counts_by_clause_and_ends_with_success():
    ended = CliRunner().invoke(cli.app, [], env={"COLUMNS": "100"})
    assert ended.exit_code == 0, ended.output
    assert f"all {len(KIT)} 0 0" in " ".join(ended.output.split())


def test_one_failure_is_told_and_is_the_exit_code(monkeypatch):
    conversation = replace(KIT[0], steps=(replace(KIT[0].steps[0], sw="6FFF", data=None),))
    monkeypatch.setattr(cli, "load_kit", lambda: (conversation,))
    ended = CliRunner().invoke(cli.app, [], env={"COLUMNS": "100"})
    assert ended.exit_code == 1
    assert f"failed: {KIT[0].name}: step 1" in ended.output


@pytest.mark.parametrize("options", [["--card", "1"], ["--reader", "x", "--pcsc"]])
def test_options_that_do_not_belong_together(options):
    assert CliRunner().invoke(cli.app, options).exit_code == 2
