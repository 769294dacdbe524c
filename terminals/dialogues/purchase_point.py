"""What validator and gate have in common: the slot with the PSAM, the journal, and the rules of the day."""

from __future__ import annotations

from datetime import datetime

from hardware.readers.connection import Connection
from hardware.readers.drive import Ports, drive
from rulebook.record import Event
from terminals.dialogues.context import Moment, Rules, Sam, Terminal
from terminals.dialogues.open_sam import open_sam
from terminals.dialogues.purchase import Ending, Point, TapResult, tap
from terminals.journal import Journal


class PurchasePoint:
    """Runs taps on real ports. ``rules`` may be replaced between taps. Raises ``SamRefused`` when the PSAM cannot be
    readied."""

    def __init__(self, terminal: Terminal, *, sam: Connection, journal: Journal, rules: Rules) -> None:
        self.terminal = terminal
        self.rules = rules
        self._slot = sam
        self._journal = journal
        self._sam: Sam | None = self._open()

    def run(self, event: Event, card: Connection, now: datetime) -> TapResult:
        sam = self._sam = self._sam or self._open()
        point = Point(terminal=self.terminal, sam=sam, rules=self.rules, pending_of=self._journal.pending_of)
        ports = Ports(card=card, sam=self._slot, persist=self._journal.append)
        result = drive(tap(point, event, Moment(now)), ports)
        if result.ending is Ending.SAM_FAILED:
            self._sam = None
        return result

    def _open(self) -> Sam:
        self._slot.reset()
        return drive(open_sam(), Ports(sam=self._slot))
