"""What validator and gate have in common: the slot with the PSAM, the journal, and the rules of the day."""

from __future__ import annotations

from datetime import datetime

from card_os.wire.dialogue import CardGone, SamRefused
from hardware.readers.connection import Connection
from hardware.readers.drive import Ports, drive
from rulebook.record import Event
from terminals.dialogues.context import Moment, Rules, Sam, Terminal
from terminals.dialogues.open_sam import open_sam
from terminals.dialogues.purchase import Ending, Point, TapResult, tap
from terminals.journal import Journal, JournalFailed


class PurchasePoint:
    """Runs taps on real ports. ``rules`` may be replaced between taps. Raises ``SamRefused`` when the PSAM cannot be
    readied at the start; later a tap without PSAM or journal ends with ``SAM_FAILED`` or ``JOURNAL_FAILED``."""

    def __init__(self, terminal: Terminal, *, sam: Connection, journal: Journal, rules: Rules) -> None:
        self.terminal = terminal
        self.rules = rules
        self._slot = sam
        self._journal = journal
        self._sam: Sam | None = self._open()

    def run(self, event: Event, card: Connection, now: datetime) -> TapResult:
        try:
            result = self._tap(event, card, now)
        except SamRefused:
            result = TapResult(ending=Ending.SAM_FAILED)
        except JournalFailed:
            result = TapResult(ending=Ending.JOURNAL_FAILED)
        if result.ending is Ending.SAM_FAILED:
            self._sam = None
        return result

    def _tap(self, event: Event, card: Connection, now: datetime) -> TapResult:
        sam = self._sam = self._sam or self._open()
        point = Point(terminal=self.terminal, sam=sam, rules=self.rules, pending_of=self._journal.pending_of)
        ports = Ports(card=card, sam=self._slot, persist=self._journal.append)
        return drive(tap(point, event, Moment(now)), ports)

    def _open(self) -> Sam:
        try:
            self._slot.reset()
        except CardGone as gone:
            raise SamRefused("there is no SAM in the slot") from gone
        return drive(open_sam(), Ports(sam=self._slot))
