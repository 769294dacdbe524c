"""What counter and service say over ``WS /counter/personalisation``.

The counter says ``{"present": {}}`` when a chip is in its reader; the service then works the reader as
``hardware.readers.relay`` does (``{"reset": true}``, ``{"transmit": hex}``), until it says ``{"result": …}``; then the
counter presents the next chip on the same connection.
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
    """A chip is in the reader. ``application`` picks one; otherwise the oldest approved one gets the card."""

    application: str | None = None


class Present(Message):
    present: Presented


class Result(Message):
    """``serial`` of card or SAM; ``terminal_number`` of a SAM; ``reason`` names a refusal or break, ``detail`` says more."""

    outcome: Outcome
    chip_serial: Hex = b""
    kind: str = ""
    serial: Hex | None = None
    application: str | None = None
    terminal_number: Hex | None = None
    resumed: bool = False
    reason: str = ""
    detail: str = ""


class Finished(Message):
    result: Result
