"""What two cities' clearings say to one another: packages of transactions, accounting results, dispute results.

Published: names, codes and rules of the messages of a purse with PSAM and TAC that is cleared through a centre
(hh9net/etc, ``src/CenterSettlement-go/types/*.go``, no licence file; facts only): the header, a package with its count,
sum and transactions numbered from 1, at most 10,000 in one, the accounting result that lists disputed transactions
alone, the dispute result (0 pay, 1 bad debt), the result codes.

Ours, as the source has no such field or another one: XML namespace and order of elements (``schemas/exchange-1.xsd``);
Time as the 14 digits that lie under the TAC; a card named by its issuer's 8 bytes and the application serial; purse,
card's sequence, key version, algorithm byte as INITIALIZE answered it; ServiceType as the record's event; numbers that
count by kind of message and pair of cities (an accounting result has its package's number). Toll fields (OBU, licence,
vehicle) and PostBalance are left out. Loads are not exchanged: only the issuer's own centre can authorise one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum, unique
from typing import TypeAlias

from clearing.verification.context import TransactionId, bcd_moment
from rulebook.money import ZERO, Amount
from rulebook.record import Event, Kind, Outcome, Record

VERSION = "00010000"


@unique
class MessageKind(StrEnum):
    PACKAGE = "package"
    ACCOUNTING = "accounting"
    DISPUTE = "dispute"


@unique
class Acknowledgement(IntEnum):
    """How a message was taken."""

    RECEIVED = 1
    HEADER_ERROR = 2
    SCHEMA_ERROR = 3
    CONTENT_ERROR = 4
    REPEATED = 5
    VERSION_ERROR = 7


@unique
class DisputeCode(IntEnum):
    """Why the issuer does not confirm a transaction; ``rules.DISPUTES`` says what each means here."""

    VERIFICATION_FAILED = 1
    DUPLICATE = 2
    USER_STATE_CHANGED = 3
    INVALID_TRANSACTION_TYPE = 4
    OVERDUE = 5
    BAD_FIELD = 6
    ABOVE_LIMIT = 7
    CARD_DOES_NOT_EXIST = 8
    CARD_STATE_MISMATCH = 9
    CARD_EXPIRED = 10
    NOT_PERMITTED = 11
    CLOCK_ERROR = 16
    OTHER = 100


@unique
class Verdict(IntEnum):
    """How the issuer's people ended a disputed transaction."""

    PAY = 0
    BAD_DEBT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTransaction:
    """One transaction of a package, ``number`` 1 to n in it: every input of the TAC, the TAC, and where it was. ``stamp``
    is date and time as under the TAC, 7 bytes BCD YYYYMMDDhhmmss; amounts fen; ``sequence`` the card's off-line one."""

    number: int
    event: Event
    line: str
    place: str
    issuer: bytes
    serial: bytes
    purse: int
    sequence: int
    balance_before_minor: int
    amount_minor: int
    key_version: int
    algorithm: int
    transaction_type: int
    sam_terminal: bytes
    sam_sequence: int
    stamp: bytes
    tac: bytes

    @property
    def id(self) -> TransactionId:
        return TransactionId(self.issuer, self.serial, self.purse, False, self.sequence)

    @property
    def content(self) -> bytes:
        """What makes two claims on one card transaction the same: everything under the TAC, and the TAC."""
        numbers = self.transaction_type.to_bytes(1, "big") + self.amount_minor.to_bytes(4, "big")
        return numbers + self.sam_terminal + self.sam_sequence.to_bytes(4, "big") + self.stamp + self.tac

    @property
    def at(self) -> datetime | None:
        return bcd_moment(self.stamp)

    @property
    def record(self) -> Record:
        """As a record of no device, for the rules that judge records."""
        return Record(
            kind=Kind.OUTCOME,
            event=self.event,
            outcome=Outcome.DONE,
            device="",
            journal_sequence=self.number,
            line=self.line,
            place=self.place,
            issuer=self.issuer,
            serial=self.serial,
            key_version=self.key_version,
            algorithm=self.algorithm,
            purse=self.purse,
            transaction_type=self.transaction_type,
            amount_minor=self.amount_minor,
            balance_before_minor=self.balance_before_minor,
            card_sequence=self.sequence,
            sam_terminal=self.sam_terminal,
            sam_sequence=self.sam_sequence,
            date=self.stamp[:4],
            time=self.stamp[4:],
            tac=self.tac,
        )


@dataclass(frozen=True, slots=True)
class Package:
    """``sender`` claims these of the ``issuer`` whose cards ``receiver`` answers for. ``number`` counts the sender's
    packages to this receiver from 1, without gaps. ``cleared_on``: business day of the window they come from."""

    sender: bytes
    receiver: bytes
    number: int
    cleared_on: date
    issuer: bytes
    transactions: tuple[ClaimedTransaction, ...]

    @property
    def amount(self) -> Amount:
        return Amount(sum(each.amount_minor for each in self.transactions))


@dataclass(frozen=True, slots=True)
class AccountingResult:
    """The issuer's answer to package ``number``: all of it is confirmed but ``disputed``, by number of the transaction.
    ``confirmed``: how much that is; ``count``: how many transactions the package has. The provider is who claimed."""

    sender: bytes
    receiver: bytes
    number: int
    issuer: bytes
    processed_at: datetime
    count: int
    confirmed: Amount
    disputed: Mapping[int, DisputeCode]


@dataclass(frozen=True, slots=True, order=True)
class Ruling:
    """The end of one disputed transaction: of which package, which in it, how many fen."""

    package: int
    transaction: int
    verdict: Verdict
    amount_minor: int


@dataclass(frozen=True, slots=True)
class DisputeResult:
    """The issuer's rulings on disputed transactions; ``number`` counts these messages from 1."""

    sender: bytes
    receiver: bytes
    number: int
    processed_at: datetime
    rulings: tuple[Ruling, ...]

    @property
    def paid(self) -> Amount:
        return sum((Amount(r.amount_minor) for r in self.rulings if r.verdict is Verdict.PAY), ZERO)


Message: TypeAlias = Package | AccountingResult | DisputeResult
KINDS: Mapping[type[Message], MessageKind] = {
    Package: MessageKind.PACKAGE,
    AccountingResult: MessageKind.ACCOUNTING,
    DisputeResult: MessageKind.DISPUTE,
}
