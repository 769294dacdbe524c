"""The chart of accounts: which kinds there are, on which side each grows, and what may never be overdrawn.

An account is named by its book and a code; the code is the kind, followed by ``:owner`` where there is one for each
participant, card or person. Books never net against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from rulebook.money import Currency

TRANSIT = "transit"
UTILITIES = "utilities"  # bills that residents pay where cards are loaded, collected for those who supply


def medical_book(fund: str) -> str:
    """The book of one medical fund: ``medical:employee-fund``."""
    return f"medical:{fund}"


@unique
class Side(StrEnum):
    DEBIT = "debit"  # what is there or is owed to the book's owner
    CREDIT = "credit"  # what the book's owner owes


@unique
class Limit(StrEnum):
    """What a transfer must leave true of the account, pending transfers included, opposite ones not."""

    NONE = "none"
    DEBITS_MUST_NOT_EXCEED_CREDITS = "debits_must_not_exceed_credits"
    CREDITS_MUST_NOT_EXCEED_DEBITS = "credits_must_not_exceed_debits"


@unique
class Kind(StrEnum):
    """Card company's accounts and its partners' (book ``transit``), those of a medical book, and of the book ``utilities``."""

    FLOAT_AT_BANK = "float-at-bank"
    VALUE_ON_CARDS = "value-on-cards"
    DEPOSITS_ON_CARDS = "deposits-on-cards"
    OPEN_TAPS = "open-taps"
    FEES = "fees"
    AGENT_PREFUNDED = "agent-prefunded"
    AGENT_WITH_LIMIT = "agent-with-limit"
    REFUNDS_OWED = "refunds-owed"
    OPERATOR_PAYABLE = "operator-payable"
    SUBSIDY_RECEIVABLE = "subsidy-receivable"
    OTHER_CITY_PAYABLE = "other-city-payable"

    FUND_AT_BANK = "fund-at-bank"
    FUND_POOL = "fund-pool"
    PERSONAL_ACCOUNT = "personal-account"
    HOSPITAL_PAYABLE = "hospital-payable"

    COLLECTIONS_AT_BANK = "collections-at-bank"
    UTILITY_PAYABLE = "utility-payable"

    RETENTION = "retention"  # in any book: kept back by its keeper


@dataclass(frozen=True, slots=True)
class Rule:
    """``owned``: there is one account for each owner and the code names it."""

    side: Side
    limit: Limit
    owned: bool = False


_NO_OVERDRAFT = Limit.DEBITS_MUST_NOT_EXCEED_CREDITS

RULES: dict[Kind, Rule] = {
    Kind.FLOAT_AT_BANK: Rule(Side.DEBIT, Limit.CREDITS_MUST_NOT_EXCEED_DEBITS),
    # No limit: a tap may well arrive before the confirmation of the load that paid for it.
    Kind.VALUE_ON_CARDS: Rule(Side.CREDIT, Limit.NONE),
    Kind.DEPOSITS_ON_CARDS: Rule(Side.CREDIT, _NO_OVERDRAFT),
    Kind.OPEN_TAPS: Rule(Side.CREDIT, _NO_OVERDRAFT),
    # No limit: commissions may well be more than the fees of their time.
    Kind.FEES: Rule(Side.CREDIT, Limit.NONE),
    Kind.AGENT_PREFUNDED: Rule(Side.CREDIT, _NO_OVERDRAFT, owned=True),
    # Grows by debits, up to the account's ``limit_minor`` above what the agent has paid in.
    Kind.AGENT_WITH_LIMIT: Rule(Side.DEBIT, _NO_OVERDRAFT, owned=True),
    Kind.REFUNDS_OWED: Rule(Side.CREDIT, _NO_OVERDRAFT, owned=True),
    # No limit: an operator that bears more refunds than it earned is a net debtor of the window.
    Kind.OPERATOR_PAYABLE: Rule(Side.CREDIT, Limit.NONE, owned=True),
    Kind.SUBSIDY_RECEIVABLE: Rule(Side.DEBIT, Limit.NONE, owned=True),
    # No limit: a city whose cards rode here more than ours rode there is a net debtor.
    Kind.OTHER_CITY_PAYABLE: Rule(Side.CREDIT, Limit.NONE, owned=True),
    Kind.FUND_AT_BANK: Rule(Side.DEBIT, Limit.CREDITS_MUST_NOT_EXCEED_DEBITS),
    Kind.FUND_POOL: Rule(Side.CREDIT, _NO_OVERDRAFT),
    Kind.PERSONAL_ACCOUNT: Rule(Side.CREDIT, _NO_OVERDRAFT, owned=True),
    # No limit: a visit reversed after its hospital was paid leaves a net debtor.
    Kind.HOSPITAL_PAYABLE: Rule(Side.CREDIT, Limit.NONE, owned=True),
    Kind.COLLECTIONS_AT_BANK: Rule(Side.DEBIT, Limit.CREDITS_MUST_NOT_EXCEED_DEBITS),
    # No limit: charges may well be more than what was collected in their time.
    Kind.UTILITY_PAYABLE: Rule(Side.CREDIT, Limit.NONE, owned=True),
    Kind.RETENTION: Rule(Side.CREDIT, _NO_OVERDRAFT, owned=True),
}


@dataclass(frozen=True, slots=True)
class Account:
    """``limit_minor`` is how far beyond the rule of its kind the account may go (fen; only an agent with a limit)."""

    book: str
    code: str
    kind: Kind
    currency: Currency = Currency.CNY
    limit_minor: int = 0

    def __post_init__(self) -> None:
        kind, colon, owner = self.code.partition(":")
        if not self.book or kind != self.kind or bool(colon and owner) != self.rule.owned:
            form = f"{self.kind}:<owner>" if self.rule.owned else str(self.kind)
            raise ValueError(f"account {self.code!r} of book {self.book!r} must be called {form}, in a named book")
        if self.limit_minor and (self.kind is not Kind.AGENT_WITH_LIMIT or self.limit_minor < 0):
            raise ValueError(f"limit_minor is {self.limit_minor}; only an agent with a limit has one, above zero")

    @property
    def rule(self) -> Rule:
        return RULES[self.kind]

    @property
    def owner(self) -> str:
        """Participant, card or person the account is kept for; empty where there is only one of its kind."""
        return self.code.partition(":")[2]


def account(book: str, kind: Kind, owner: str = "", *, limit_minor: int = 0) -> Account:
    """The account of that kind (and owner) in a book, in CNY."""
    return Account(book, code(kind, owner), kind, limit_minor=limit_minor)


def code(kind: Kind, owner: str = "") -> str:
    """``operator-payable:bus-a``, or the kind alone."""
    return f"{kind}:{owner}" if owner else str(kind)
