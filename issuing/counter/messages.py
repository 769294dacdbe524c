"""What counter and service say over ``WS /counter/personalisation``.

The counter presents a chip; the service asks ``{"transmit": hex}`` until it answers ``{"result": …}``; then the counter
presents the next chip on the same connection. ``{"gone": true}`` instead of a response: the chip left the reader.
"""

from __future__ import annotations

from enum import StrEnum, unique

from rulebook.messages.base import Hex, Message


@unique
class Outcome(StrEnum):
    PERSONALISED = "personalised"  # written, read back, in the register
    BROKEN = "broken"  # present the same chip again, or scrap it
    SCRAPPED = "scrapped"  # the read-back differs: destroy it
    REFUSED = "refused"  # nothing was written


class Presented(Message):
    """A chip in the counter's reader. ``application`` picks one; otherwise the oldest approved one gets the card."""

    atr: Hex
    application: str | None = None


class Present(Message):
    present: Presented


class Answer(Message):
    """Of the chip: exactly one of the two."""

    response: Hex | None = None
    gone: bool = False


class Transmit(Message):
    transmit: Hex


class Result(Message):
    """``serial`` of card or SAM; ``terminal_number`` of a SAM; ``reason`` names a refusal or break, ``detail`` says more."""

    outcome: Outcome
    chip_serial: Hex
    kind: str = ""
    serial: Hex | None = None
    application: str | None = None
    terminal_number: Hex | None = None
    resumed: bool = False
    reason: str = ""
    detail: str = ""


class Finished(Message):
    result: Result
