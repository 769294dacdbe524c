"""camt.053 and camt.054 as pages of a ``BankReport``. A message is taken whole or refused whole with every fault.

Read are camt.053.001.02 and .08 and camt.054.001.08. The two versions differ for us in two places: the status and the parties,
each one step deeper in .08. A statement has its pages by itself (.08) or by its message; one that is complete in a message of
several is no page.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from clearing.reconciliation.model import BankReport, Detail, Entry, MessageKind
from clearing.reconciliation.money import NotAnAmount, parse
from clearing.reconciliation.paging import Page
from clearing.reconciliation.xml import Element, MalformedMessage, every, read, text

# message → (kind, path to its statements or notifications)
_MESSAGES: dict[str, tuple[MessageKind, str]] = {
    "camt.053.001.02": (MessageKind.STATEMENT, "BkToCstmrStmt/Stmt"),
    "camt.053.001.08": (MessageKind.STATEMENT, "BkToCstmrStmt/Stmt"),
    "camt.054.001.08": (MessageKind.ADVICE, "BkToCstmrDbtCdtNtfctn/Ntfctn"),
}
_SIGN = {"CRDT": 1, "DBIT": -1}
_OPENING, _CLOSING = "OPBD", "CLBD"  # ISO 20022 external code set ExternalBalanceType1Code


def read_message(content: bytes) -> tuple[Page, ...]:
    """Raises ``MalformedMessage``."""
    name, root = read(content, _MESSAGES)
    kind, path = _MESSAGES[name]
    reader = _Reader(kind, *every(root, f"{path.partition('/')[0]}/GrpHdr/MsgPgntn"))
    pages = tuple(reader.page(element) for element in every(root, path))
    twice = [
        key for key, count in Counter((p.report.account, p.report.id, p.number) for p in pages).items() if count > 1
    ]
    reader.faults += [f"account {account}: {id_} is in the message more than once" for account, id_, _ in twice]
    if reader.faults:
        raise MalformedMessage(reader.faults)
    return pages


@dataclass(slots=True)
class _Reader:
    """Collects every fault; a value that could not be read is replaced so that reading can go on."""

    kind: MessageKind
    of_message: Element | None = None
    faults: list[str] = field(default_factory=list)

    def page(self, element: Element) -> Page:
        own = [*every(element, "StmtPgntn"), *every(element, "NtfctnPgntn")]
        said = own[0] if own else self.of_message
        number, last = (
            (1, True) if said is None else (int(text(said, "PgNb")), text(said, "LastPgInd") in ("true", "1"))
        )
        report = self._report(element, "" if number == 1 else f"{number}.")
        if number < 1:
            self.faults.append(f"{report.id}: page {number}; pages count from 1")
        if not own and (report.kind is MessageKind.ADVICE or _complete(report)):
            number, last = 1, True
        return Page(report=report, number=number, last=last)

    def _report(self, element: Element, before_number: str) -> BankReport:
        id_ = text(element, "Id")
        account = text(element, "Acct/Id/Othr/Id") or text(element, "Acct/Id/IBAN")
        entries = tuple(
            self._entry(entry, f"{id_} entry {number}", f"{id_}#{before_number}{number}")
            for number, entry in enumerate(every(element, "Ntry"), 1)
            if _status(entry) == "BOOK"
        )
        entries = tuple(entry for entry in entries if entry.amount_minor)  # an information, no money
        opening, closing, closed_on = None, None, None
        if self.kind is MessageKind.STATEMENT:
            opening, _ = self._balance(element, id_, _OPENING)
            closing, closed_on = self._balance(element, id_, _CLOSING)
        return BankReport(
            kind=self.kind,
            id=id_,
            account=account,
            closed_on=closed_on,
            opening_minor=opening,
            closing_minor=closing,
            entries=entries,
        )

    def _entry(self, element: Element, where: str, stand_in: str) -> Entry:
        amount = self._signed(element, where)
        details = tuple(
            self._detail(each, f"{where} detail {number}", "Dbtr" if amount > 0 else "Cdtr")
            for number, each in enumerate(every(element, "NtryDtls/TxDtls"), 1)
        )
        if len(details) > 1 and all(d.amount_minor is not None for d in details):
            said = sum(d.amount_minor or 0 for d in details)
            if said != abs(amount):
                self.faults.append(f"{where}: its details add up to {said} fen, the entry is {abs(amount)}")
        batch = text(element, "NtryDtls/Btch/PmtInfId") or text(element, "NtryDtls/Btch/MsgId")
        return Entry(
            reference=text(element, "AcctSvcrRef") or text(element, "NtryRef") or stand_in,
            amount_minor=amount,
            booked_on=self._day(element, "BookgDt", where),
            batch=batch,
            details=details,
        )

    def _detail(self, element: Element, where: str, side: str) -> Detail:
        """``side``: the one that is not ours, debtor of a credit, creditor of a debit."""
        found = every(element, "Amt") or every(element, "AmtDtls/TxAmt/Amt")
        parties = every(element, "RltdPties")
        party = parties[0] if parties else element
        remittance = [text(element, "RmtInf/Strd/CdtrRefInf/Ref")]
        remittance += [(each.text or "").strip() for each in every(element, "RmtInf/Ustrd")]
        return Detail(
            end_to_end_id=text(element, "Refs/EndToEndId"),
            amount_minor=self._amount(found[0], where) if found else None,
            account=text(party, f"{side}Acct/Id/Othr/Id") or text(party, f"{side}Acct/Id/IBAN"),
            name=text(party, f"{side}/Pty/Nm") or text(party, f"{side}/Nm"),
            remittance=" ".join(filter(None, remittance)),
        )

    def _balance(self, element: Element, id_: str, code: str) -> tuple[int | None, date | None]:
        """Whether there is one at all is known once all pages are there."""
        found = [each for each in every(element, "Bal") if text(each, "Tp/CdOrPrtry/Cd") == code]
        if not found:
            return None, None
        if len(found) > 1:
            self.faults.append(f"{id_}: {len(found)} balances {code}; a statement has exactly one")
        return self._signed(found[0], f"{id_} balance {code}"), self._day(found[0], "Dt", f"{id_} balance {code}")

    def _signed(self, element: Element, where: str) -> int:
        return _SIGN[text(element, "CdtDbtInd")] * self._amount(every(element, "Amt")[0], where)

    def _amount(self, element: Element, where: str) -> int:
        try:
            return parse(element.text or "", element.get("Ccy", "")).minor
        except NotAnAmount as fault:
            self.faults.append(f"{where}: {fault}")
            return 0

    def _day(self, element: Element, tag: str, where: str) -> date:
        written = text(element, f"{tag}/Dt") or text(element, f"{tag}/DtTm")
        try:
            return date.fromisoformat(written[:10])
        except ValueError:
            self.faults.append(f"{where}: {tag} is {written!r}; a date is needed")
            return date.min


def _complete(report: BankReport) -> bool:
    """A statement whose two balances are here and follow from one another."""
    if report.opening_minor is None or report.closing_minor is None:
        return False
    return report.opening_minor + report.moved.minor == report.closing_minor


def _status(entry: Element) -> str:
    """Only what is booked has moved."""
    return text(entry, "Sts/Cd") or text(entry, "Sts")
