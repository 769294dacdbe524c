"""One conversation held with one card, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum, unique

from card_os.wire.apdu import CommandApdu, MalformedApdu, ResponseApdu
from card_os.wire.dialogue import CardGone
from hardware.readers.connection import Connection
from hardware.readers.drive import exchange
from hardware.readers.pcsc import PcscError
from simulator.conformance.benches import Bench, Slots
from simulator.conformance.kit_files import Conversation, Step
from simulator.conformance.patterns import fill, match, status_fits
from terminals.shell.trace import shown_command, shown_data

_BROKEN = (CardGone, MalformedApdu, PcscError)
"""A card, reader or service that leaves in the middle ends one conversation, not the run."""


@unique
class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """``reason`` says why it was skipped, or which step failed and how; empty where it passed."""

    conversation: Conversation
    verdict: Verdict
    reason: str = ""


def run_kit(conversations: Iterable[Conversation], bench: Bench) -> Iterator[Outcome]:
    """The outcomes in order. What is dangerous comes last, so that a card is changed only after it was looked at; and where
    the card is somebody's own, the first dangerous one that fails is the last: the next might spend its last try."""
    broken = ""
    for conversation in sorted(conversations, key=lambda each: bool(each.dangerous)):
        reason = bench.reason_to_skip(conversation)
        if not reason and conversation.dangerous and broken and bench.keeps_its_card:
            reason = f"{broken!r} failed, and the card may not be as it was: look at it before it is changed again"
        if reason:
            yield Outcome(conversation, Verdict.SKIPPED, reason)
            continue
        failure = _held(conversation, bench)
        if failure and conversation.dangerous:
            broken = broken or conversation.name
        yield Outcome(conversation, Verdict.FAILED if failure else Verdict.PASSED, failure)


def _held(conversation: Conversation, bench: Bench) -> str:
    try:
        slots = bench.slots(conversation)
    except _BROKEN as problem:
        return f"not begun: {problem}"
    return hold(conversation, slots)


def hold(conversation: Conversation, slots: Slots) -> str:
    """Empty where every answer was as expected, otherwise the first that was not."""
    values = dict(conversation.words)
    for number, step in enumerate(conversation.steps, 1):
        connection = slots.sam if step.to_sam else slots.card
        assert connection is not None, "a kit whose conversation speaks to a missing SAM does not load"
        try:
            failure = _take_step(step, connection, values, raw=conversation.raw)
        except _BROKEN as problem:
            failure = str(problem)
        if failure:
            return f"step {number}, {step.why}: {failure}"
    return ""


def _take_step(step: Step, connection: Connection, values: dict[str, str], *, raw: bool) -> str:
    if step.is_reset:
        return _data(step, connection.reset(), values)
    command = fill(step.send, values)
    answer = _ask(connection, command, raw=raw)
    assert step.sw is not None, "only RESET has no status"
    if not status_fits(step.sw, answer.sw.value):
        return f"{shown_command(command)} answered {answer.sw} ({answer.sw.meaning}), expected {step.sw}"
    if failure := _data(step, answer.data, values):
        return f"{shown_command(command)} answered {shown_data(answer.data)}; {failure}"
    return ""


def _data(step: Step, data: bytes, values: dict[str, str]) -> str:
    if step.data is None:
        return ""
    found = match(step.data, data, values)
    if found is None:
        return f"expected {step.data}"
    values |= found
    return ""


def _ask(connection: Connection, command: bytes, *, raw: bool) -> ResponseApdu:
    if raw:
        return ResponseApdu.parse(connection.transmit(command))
    return exchange(connection, CommandApdu.parse(command))
