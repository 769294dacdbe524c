"""The hospital desk as a device: PSAM, host, and the store of what it sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any

from card_os.wire.atr import chip_serial
from card_os.wire.dialogue import Dialogue, HostSilent
from hardware.readers.connection import Connection
from hardware.readers.drive import Ports, drive
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.base import Message
from rulebook.messages.medical import AccountUse, Infno, MedicalRefusal, MedicalType, SettlementOutput, StatementResult
from terminals.hospital.exchange import insist, resend, send, take_back
from terminals.hospital.forms import Forms, HospitalSetup
from terminals.hospital.reconciliation import detail_request, rows_of, settled_rows, totals_requests
from terminals.hospital.results import (
    CancelResult,
    FeeItem,
    Reconciled,
    Repaired,
    RepairOutcome,
    VisitResult,
)
from terminals.hospital.store import Entry, VisitStore
from terminals.hospital.visit import Agree, VisitOrder, visit
from terminals.uplink import HostRefused


def _is_finished(reversal: Entry | None) -> bool:
    """Whether a reversal leaves nothing to be done: answered, or refused for good and a case."""
    if reversal is None or reversal.open:
        return False
    return reversal.refusal is None or reversal.refusal.reason != MedicalRefusal.LATER_SETTLEMENT_EXISTS


def _always(_: SettlementOutput) -> bool:
    return True


class HospitalDesk:
    """``host`` is the uplink's ``host``; ``sam`` the hospital PSAM in the desk's slot."""

    def __init__(
        self, setup: HospitalSetup, *, store: VisitStore, host: Callable[[Any], Message], sam: Connection
    ) -> None:
        self._setup = setup
        self._store = store
        self._host = host
        self._sam = sam
        self._numbers = store.numbers()

    def visit(
        self,
        card: Connection,
        items: Sequence[FeeItem],
        now: datetime,
        *,
        care: MedicalType = MedicalType.OUTPATIENT,
        account: AccountUse = AccountUse.YES,
        agree: Agree = _always,
    ) -> VisitResult:
        """Settle one visit of the card's holder. Raises ``ValueError`` for no items at all and ``MalformedAtr`` for a
        card without a chip serial; everything else ends in a result."""
        if not items:
            raise ValueError("a visit without fee items has nothing to settle")
        day = now.astimezone(BUSINESS_ZONE).date()
        order = VisitOrder(
            visit=self._store.new_visit(f"{self._setup.device}-{day:%y%m%d}-"),
            chip_serial=chip_serial(card.atr),
            items=tuple(items),
            care=care,
            account=account,
            agree=agree,
        )
        result: VisitResult = self._drive(visit(order, self._forms(now)), card)
        return result

    def cancel(self, settlement: str, now: datetime) -> CancelResult:
        """Take back one of this desk's settlements by its setl_id. Raises ``LookupError`` for one it does not know. A
        silent host leaves the cancellation to ``repair``."""
        entry = next((e for e in self._answered_settlements() if e.request.msgid == settlement), None)
        if entry is None:
            raise LookupError(f"this desk has no settlement {settlement}")
        request = self._forms(now).cancel(settlement, entry.visit, entry.request.input.data.psn_no)
        try:
            answer = self._drive(send(entry.visit, request))
        except HostRefused as refusal:
            return CancelResult(settlement=None, refusal=refusal.problem)
        except HostSilent:
            return CancelResult(settlement=None)
        return CancelResult(settlement=answer.output)

    def repair(self, now: datetime) -> list[Repaired]:
        """Bring every settlement and cancellation without an answer to its end; to be called until none is SILENT."""
        reversals = {e.request.input.data.omsgid: e for e in self._store.entries(Infno.REVERSAL)}
        done = []
        for entry in self._store.entries(Infno.SETTLE, Infno.SETTLE_CANCEL):
            earlier = reversals.get(entry.request.msgid)
            if entry.open and not _is_finished(earlier):
                done.append(self._repair(entry, earlier, now))
        return done

    def _repair(self, entry: Entry, earlier: Entry | None, now: datetime) -> Repaired:
        def result(outcome: RepairOutcome, **fields: Any) -> Repaired:
            return Repaired(msgid=entry.request.msgid, visit=entry.visit, outcome=outcome, **fields)

        try:
            if entry.request.infno is Infno.SETTLE_CANCEL:
                self._drive(resend(entry.request))
                return result(RepairOutcome.CANCELLED)
            stored = earlier.request if earlier else None
            answer = self._drive(take_back(entry.visit, entry.request, self._forms(now), stored))
        except HostSilent:
            return result(RepairOutcome.SILENT)
        except HostRefused as refusal:
            return result(RepairOutcome.REFUSED, refusal=refusal.problem)
        return result(RepairOutcome.REVERSED if answer is None else RepairOutcome.SETTLED)

    def reconcile(self, day: date, now: datetime, *, others: Sequence[VisitStore] = ()) -> Reconciled:
        """Compare this institution's ``day`` with the fund: totals for each group, rows where one differs. The fund counts
        by institution, so ``others`` are the stores of the institution's other desks; one that is left out shows as
        settlements missing at the hospital. Raises ``HostSilent`` and ``HostRefused``."""
        stores = (self._store, *others)
        entries = chain.from_iterable(store.entries(Infno.SETTLE, Infno.SETTLE_CANCEL) for store in stores)
        rows = settled_rows(entries, day)
        forms = self._forms(now)
        totals = []
        for request in totals_requests(rows, day, forms):
            info = self._drive(insist(request)).output.stmtinfo
            if info.stmt_rslt is not StatementResult.BALANCED:
                totals.append(info.stmt_rslt_dscr)
        if not totals:
            return Reconciled(totals=(), rows=())
        differing = self._drive(insist(detail_request(rows_of(rows), day, forms))).output.rows
        return Reconciled(totals=tuple(totals), rows=tuple(differing))

    def _answered_settlements(self) -> Iterator[Entry]:
        return (entry for entry in self._store.entries(Infno.SETTLE) if entry.answer is not None)

    def _forms(self, now: datetime) -> Forms:
        return Forms(self._setup, now, self._numbers)

    def _drive(self, dialogue: Dialogue[Any], card: Connection | None = None) -> Any:
        ports = Ports(card=card, sam=self._sam, host=self._host, persist=self._store.persist)
        return drive(dialogue, ports)
