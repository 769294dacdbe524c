"""The kit itself: it finds what is wrong, refuses its own faults, and spares a card that somebody put into a reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import card_os.engine
from card_os.wire.dialogue import CardGone
from card_os.wire.status import MEANINGS
from hardware.readers.pcsc import ReaderUnusable
from simulator.conformance import cli, runner
from simulator.conformance.benches import InProcess, InReader, Slots
from simulator.conformance.cards import make_card
from simulator.conformance.kit_files import CHANGING, CardKind
from simulator.conformance.kit_reading import MalformedKit, load_kit, never_answered, read_kit
from simulator.conformance.patterns import MalformedPattern, fill, match, status_fits
from simulator.conformance.runner import Verdict, hold, run_kit
from simulator.softcard.demonstration import demonstration_card

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


OF_ONE_COS = {0x6600, 0x6601, 0x6602, 0x6603, 0x6604}
"""In the table of standards.md §1.6, and not in ours: nobody says what they mean."""


def test_every_status_word_of_the_table_is_asked_for_or_said_never_to_come():
    asked = {
        pattern for conversation in KIT for step in conversation.steps if step.sw for pattern in step.sw.split("|")
    }
    never = never_answered()
    missing = {word for word in MEANINGS if not any(status_fits(_widened(pattern), word) for pattern in asked)}
    assert missing <= set(never) <= {*MEANINGS, *OF_ONE_COS}
    assert set(never) >= OF_ONE_COS
    sources = "".join(path.read_text() for path in Path(card_os.engine.__path__[0]).glob("*.py"))
    assert not [word for word in never if f"{word:04X}" in sources]


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


GOOD_STEP = '{ send = "0084000008", sw = "9000", why = "challenge" }'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps = [", "wrong.toml: Expected|wrong.toml: Invalid|wrong.toml: Unclosed"),
        ("conversations = []", "wrong.toml, conversations: there is no such field; there are about, let"),
        ("conversation = 1", "wrong.toml, conversation: write a list"),
        ("conversation = [1]", "wrong.toml, conversation 1, name: is missing"),
        ("let = 3", "wrong.toml, let: write a table"),
        ("[let]\nX = 3", "wrong.toml, let, X: write hex"),
        ('[let]\nX = "0?"', "wrong.toml, let, X: write hex"),
        ('[never]\n63CX = "why"', "wrong.toml, never, 63CX: write a status word"),
        ("[defaults]\nfrseh = true\n[[conversation]]\nname = 'one'", "one, frseh: there is no such field"),
        (HEADER + "dangerous = true\nsteps = []", "wrong.toml, one, dangerous: write a text"),
        (HEADER + "steps = []", "one, steps: has none"),
        (HEADER + "steps = [3]", "one, step 1, write a table"),
        (HEADER + f'random = "1"\nsteps = [{GOOD_STEP}]', "one, random: write whole bytes in hex"),
        (HEADER + f"steps = [{GOOD_STEP}, {{ sw = '9000', why = 'x' }}]", "one, step 2, send: is missing"),
        (HEADER + 'steps = [{ send = "00A40000", sw = "9000" }]', "one, step 1, why: is missing"),
        (HEADER + 'steps = [{ send = 12, sw = "9000", why = "x" }]', "one, step 1, send: write a text"),
        (
            HEADER + 'steps = [{ send = "00", sw = "9000", why = "x" }]',
            "step 1, send: a command has a header of 4 bytes",
        ),
        (HEADER + 'steps = [{ send = "00A400000", sw = "9000", why = "x" }]', "step 1, send: write whole bytes in hex"),
        (HEADER + 'steps = [{ send = "{X.__class__}", sw = "9000", why = "x" }]', "step 1, send: write whole bytes"),
        (HEADER + 'steps = [{ send = "{X}", sw = "9000", why = "x" }]', "step 1, send: nothing is called 'X'"),
        (HEADER + 'steps = [{ send = "0084000008", sw = "90", why = "x" }]', "step 1, sw: write four hex digits"),
        (HEADER + 'steps = [{ send = "RESET", sw = "9000", why = "x" }]', "step 1, sw: RESET answers an ATR"),
        (HEADER + 'steps = [{ send = "RESET", data = "<a:1><a:1>", why = "x" }]', "step 1, data: <a> is given twice"),
        (HEADER + 'steps = [{ send = "RESET", data = "<1:1>", why = "x" }]', "step 1, data: '<' at place 1"),
        (HEADER + 'steps = [{ send = "RESET", data = "{X}", why = "x" }]', "step 1, data: nothing is called 'X'"),
        (HEADER + 'steps = [{ send = "0084000008", sw = "9000", why = "x", to = "sim" }]', "step 1, to: write"),
        (
            HEADER + 'steps = [{ send = "0084000008", sw = "9000", why = "x", to = "sam" }]',
            "has none; say which in `sam`",
        ),
        (HEADER + 'steps = [{ send = "0020000003123456", sw = "9000", why = "x" }]', "may change the card: say how"),
        (
            HEADER + 'steps = [{ send = "00A4", sw = "9000", why = "", data_ = "" }]',
            "step 1, data_: there is no such field",
        ),
        (
            HEADER.replace("citizen", "nobody") + f"steps = [{GOOD_STEP}]",
            "card: 'nobody' is no kind of card; there are t-union",
        ),
        (
            f"{HEADER}steps = [{GOOD_STEP}]\n{HEADER.split(chr(10), 2)[2]}steps = [{GOOD_STEP}]",
            "two conversations are called 'one': rename one",
        ),
    ],
)
def test_a_kit_with_faults_is_refused_whole(text, said):
    with pytest.raises(MalformedKit, match=said):
        read_kit({"wrong.toml": text})


def test_every_fault_of_every_file_is_told_at_once_and_no_pin():
    wrong = HEADER + 'steps = [{ send = "0020000003 1234567", sw = "9", why = "x" }]'
    with pytest.raises(MalformedKit) as refused:
        read_kit({"a.toml": wrong, "b.toml": wrong.replace('"one"', '"two"')})
    assert len(str(refused.value).splitlines()) == 4
    assert "1234567" not in str(refused.value)


def test_what_could_change_a_card_says_so_or_brings_its_own_card():
    for conversation in KIT:
        sends = {fill(step.send, _any_values(conversation))[1] for step in conversation.steps if not step.is_reset}
        if sends & CHANGING:
            assert conversation.dangerous or conversation.needs_fresh_card, conversation.name


def _any_values(conversation):
    class Anything(dict):
        def __contains__(self, name):
            return True

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


def test_a_malformed_kit_is_no_traceback(monkeypatch):
    def malformed():
        raise MalformedKit("x.toml, one, step 1, sw: wrong")

    monkeypatch.setattr(cli, "load_kit", malformed)
    ended = CliRunner().invoke(cli.app, [])
    assert ended.exit_code == 2
    assert "citycard card check: x.toml, one, step 1, sw: wrong" in ended.output


def test_interrupted_it_tells_what_it_found(monkeypatch):
    def held(conversation, slots):
        if conversation is KIT[2]:
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr(runner, "hold", held)
    monkeypatch.setattr(cli, "load_kit", lambda: KIT[:4])
    ended = CliRunner().invoke(cli.app, [], env={"COLUMNS": "100"})
    assert ended.exit_code == 130
    assert "interrupted after" in ended.output
    assert "of 4 conversations" in ended.output


class Breaking(Watched):
    """Answers ``after`` commands, then does as ``broken`` says."""

    def __init__(self, after: int, broken) -> None:
        super().__init__()
        self.after, self.broken = after, broken

    def transmit(self, command: bytes) -> bytes:
        answer = super().transmit(command)
        return answer if len(self.sent) <= self.after else self.broken()


def left() -> bytes:
    raise CardGone("pulled")


def taken() -> bytes:
    raise ReaderUnusable("another program holds the card")


@pytest.mark.parametrize("broken", [left, taken, bytes, lambda: b"\x90"], ids=["left", "taken", "nothing", "one byte"])
def test_a_card_that_breaks_half_way_fails_what_is_held_and_ends_the_run_in_order(broken):
    card = Breaking(60, broken)
    outcomes = list(run_kit(KIT, InReader(card, allowed=False)))
    assert len(outcomes) == len(KIT)
    verdicts = [outcome.verdict for outcome in outcomes if outcome.verdict is not Verdict.SKIPPED]
    assert Verdict.PASSED in verdicts
    assert verdicts[-1] is Verdict.FAILED
    assert verdicts.count(Verdict.FAILED) > 5, "the run goes on"


@pytest.mark.parametrize("answer", [b"", b"\x90", b"\x90\x00", 30 * b"\xee" + b"\x90\x00", b"\x61\x01"])
def test_a_card_that_answers_rubbish_is_no_card_of_ours(answer):
    class Rubbish(Watched):
        def transmit(self, command: bytes) -> bytes:
            return answer

    assert PAN not in InReader(Rubbish(), allowed=True).serials
    assert CardKind.CITIZEN not in InReader(Rubbish(), allowed=True).kinds


def test_a_card_without_the_kits_applications_is_not_begun_with():
    watched = Watched()
    watched.reader, watched.card = "a reader", make_card(CardKind.BLANK, b"")
    with pytest.raises(cli.WrongCard, match="neither a T-Union nor a PIV application"):
        cli.in_reader(watched, "")


def test_a_card_put_in_the_place_of_the_named_one_is_not_changed():
    watched = Watched()
    bench = InReader(watched, allowed=True)
    watched.card = demonstration_card(2)
    watched.sent.clear()
    outcomes = list(run_kit([each for each in KIT if each.dangerous], bench))
    held = [outcome for outcome in outcomes if outcome.verdict is not Verdict.SKIPPED]
    assert "another card lies in the reader now" in held[0].reason
    assert {command[1] for command in watched.sent} == {0xA4, 0xB0}


def test_one_failed_change_of_somebodys_card_is_the_last():
    """A card with another PIN would lose its last try to the third conversation."""
    watched = Watched()
    watched.transmit(bytes.fromhex("00A4040008A00000063201010500"))
    watched.transmit(bytes.fromhex("805E010006123456FF1111"))
    watched.sent.clear()
    outcomes = list(run_kit(KIT, InReader(watched, allowed=True)))
    assert sum(outcome.verdict is Verdict.FAILED for outcome in outcomes) == 1
    assert any("before it is changed again" in outcome.reason for outcome in outcomes)
    assert sum(command[:2] == b"\x00\x20" for command in watched.sent) <= 1
