"""Who takes part and by what rules: a document, checked whole when it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum, unique
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearing.exchange.partners import Exchange
from clearing.ledger.accounts import RULES, TRANSIT, Account, Kind, account, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.participants.banking import BankAccount, BookAtBank
from clearing.participants.contracts import Party
from clearing.verification.context import Policy
from rulebook.calendar import calendar_named
from rulebook.messages.base import Hex
from rulebook.money import Amount


@unique
class Role(StrEnum):
    CARD_COMPANY = "card_company"
    OPERATOR = "operator"
    AGENT = "agent"
    SUBSIDY_FUND = "subsidy_fund"
    INSURANCE_FUND = "insurance_fund"
    HOSPITAL = "hospital"
    OTHER_CITY = "other_city"
    UTILITY = "utility"


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Participant(_Closed):
    """``accounts``: (book, account code) of each account kept for it. ``limit_minor``: how far an agent that has not paid
    in before may go (fen). ``bank_account``: where it is paid; None where nothing is ever paid to it."""

    id: str
    role: Role
    zh: str
    en: str
    accounts: tuple[tuple[str, str], ...]
    limit_minor: Annotated[int, Field(ge=0, strict=True)] = 0
    bank_account: BankAccount | None = None

    @model_validator(mode="after")
    def _a_limit_has_its_account(self) -> Participant:
        limited = any(code.partition(":")[0] == Kind.AGENT_WITH_LIMIT for _, code in self.accounts)
        if limited != bool(self.limit_minor):
            raise ValueError(
                f"participant {self.id}: limit_minor is {self.limit_minor}; above zero goes with an agent-with-limit"
                " account, and only with one"
            )
        return self

    @property
    def books(self) -> tuple[str, ...]:
        return tuple(sorted({book for book, _ in self.accounts}))


class _Opening(_Closed):
    """What was in the books before the first window, declared."""

    id: str
    book: str
    debit: str
    credit: str
    amount_minor: Annotated[int, Field(gt=0, strict=True)]
    purpose: Purpose


class _Institution(_Closed):
    """A hospital a fund pays; ``level`` as the fund's policies know it."""

    institution: str
    level: str


class _Policy(_Closed):
    """``open_load_days``: after how many days a load that nothing has proved is a case of the book's keeper."""

    our_issuers: tuple[Hex, ...]
    upload_horizon_days: int
    open_load_days: Annotated[int, Field(gt=0, strict=True)]
    calendar: str


class City(_Closed):
    """``effective_from``: the business day of the opening balances. ``keepers``: whose the accounts of a book are that name
    no participant. ``personal_opening_minor``: by fund, what an insured person's account begins with when the fund first
    hears of the person (fen). ``bank_accounts``: by book; a book without one is not settled through a bank. ``exchange``:
    the other cities; None where no transactions are exchanged."""

    effective_from: date
    participants: tuple[Participant, ...]
    keepers: dict[str, str]
    opening: tuple[_Opening, ...]
    personal_opening_minor: dict[str, Annotated[int, Field(gt=0, strict=True)]]
    institutions: dict[str, tuple[_Institution, ...]]
    policy: _Policy
    bank_accounts: dict[str, BookAtBank] = {}
    exchange: Exchange | None = None

    @model_validator(mode="after")
    def _accounts_are_known(self) -> City:
        known = {(a.book, a.code) for a in self.accounts()}
        faults = [
            f"opening {o.id}: account {code} of {o.book} is nobody's"
            for o in self.opening
            for code in (o.debit, o.credit)
            if (o.book, code) not in known
        ]
        faults += [f"book {book} has no keeper" for book in sorted({book for book, _ in known} - set(self.keepers))]
        faults += [
            f"bank account of {book}: ledger account {at_bank.ledger} is nobody's"
            for book, at_bank in self.bank_accounts.items()
            if (book, at_bank.ledger) not in known
        ]
        faults += [
            f"bank account of {book}: opening_minor is {at_bank.opening_minor}; the opening balances say {booked}"
            for book, at_bank in self.bank_accounts.items()
            if (booked := self._opened(book, at_bank.ledger)) != at_bank.opening_minor
        ]
        numbers = Counter(at_bank.account.number for at_bank in self.bank_accounts.values())
        faults += [f"bank account {number} is of {count} books" for number, count in numbers.items() if count > 1]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _partners_have_accounts(self) -> City:
        partners = self.exchange.partners if self.exchange else ()
        cities = {p.id: p.accounts for p in self.participants if p.role is Role.OTHER_CITY}
        wanted = {p.participant: (TRANSIT, code(Kind.OTHER_CITY_PAYABLE, p.participant)) for p in partners}
        faults = [
            f"exchange: {name} is no participant of role {Role.OTHER_CITY} with account {account_code}"
            for name, (book, account_code) in wanted.items()
            if (book, account_code) not in cities.get(name, ())
        ]
        both = sorted(set(self.policy.our_issuers) & {issuer for p in partners for issuer in p.issuers})
        faults += [f"exchange: issuer {issuer.hex().upper()} is ours" for issuer in both]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _opened(self, book: str, code: str) -> int:
        sides = {o.id: (o.debit == code) - (o.credit == code) for o in self.opening if o.book == book}
        return sum(sides[o.id] * o.amount_minor for o in self.opening if o.id in sides)

    def accounts(self) -> tuple[Account, ...]:
        return tuple(
            _account(book, code, participant.limit_minor)
            for participant in self.participants
            for book, code in participant.accounts
        )

    def opening_transfers(self) -> tuple[Transfer, ...]:
        return tuple(
            Transfer(
                id=o.id,
                book=o.book,
                debit=o.debit,
                credit=o.credit,
                amount=Amount(o.amount_minor),
                purpose=o.purpose,
                business_day=self.effective_from,
            )
            for o in self.opening
        )

    def rules(self) -> Policy:
        return Policy(
            our_issuers=frozenset(self.policy.our_issuers),
            upload_horizon=timedelta(days=self.policy.upload_horizon_days),
            calendar=calendar_named(self.policy.calendar),
        )

    def settlement_account(self, participant: str, book: str) -> str | None:
        """The code of the account by which the participant gives and gets in ``book``: its own one, or for a keeper the fees;
        None where it has neither. What a keeper keeps back of others is no account of its own."""
        codes = [c for p in self.participants if p.id == participant for b, c in p.accounts if b == book]
        kinds = {Kind(code.partition(":")[0]): code for code in reversed(codes)}
        owned = [code for kind, code in kinds.items() if RULES[kind].owned and kind is not Kind.RETENTION]
        return owned[0] if owned else kinds.get(Kind.FEES)

    def settlement_accounts(self) -> dict[Party, str]:
        """Of every participant in every book in which it has one."""
        found = {(book, p.id): self.settlement_account(p.id, book) for p in self.participants for book in p.books}
        return {party: account for party, account in found.items() if account is not None}

    def retained(self) -> frozenset[Party]:
        """Of whom something can be kept back, and in which book."""
        return frozenset((account.book, account.owner) for account in self.accounts() if account.kind is Kind.RETENTION)

    def parties(self) -> Mapping[str, tuple[str, ...]]:
        return {participant.id: participant.books for participant in self.participants}


def demonstration() -> City:
    """The demonstration's participants, opening balances and policy (all ours)."""
    return City.model_validate_json((files(__package__) / "demonstration.json").read_bytes())


def _account(book: str, code: str, limit_minor: int) -> Account:
    kind, _, owner = code.partition(":")
    return account(book, Kind(kind), owner, limit_minor=limit_minor if kind == Kind.AGENT_WITH_LIMIT else 0)
