"""The ledger against a plain model: whatever comes, in whatever order, the books stay true."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from clearing.ledger.accounts import RULES, TRANSIT, Account, Kind, Limit, account
from clearing.ledger.rules import (
    Accounts,
    Decision,
    Phase,
    Posted,
    Purpose,
    Refusal,
    Refused,
    Standing,
    Transfer,
    decide_all,
    settling,
)
from clearing.ledger.sheet import position_of_float
from rulebook.money import Amount

DAY = date(2026, 9, 15)
DAYS = [DAY, DAY + timedelta(days=1)]
CHART = [
    account(TRANSIT, Kind.FLOAT_AT_BANK),
    account(TRANSIT, Kind.VALUE_ON_CARDS),
    account(TRANSIT, Kind.AGENT_PREFUNDED, "a"),
    account(TRANSIT, Kind.AGENT_WITH_LIMIT, "b", limit_minor=50),
    account(TRANSIT, Kind.OPERATOR_PAYABLE, "o"),
]
codes = st.sampled_from([a.code for a in CHART])
amounts = st.integers(-1, 60)


class PlainLedger:
    """One entry list and no counters: every question is answered by adding up again."""

    def __init__(self) -> None:
        self.rows: dict[str, Transfer] = {}

    def settlement(self, pending_id: str) -> Transfer | None:
        return next((t for t in self.rows.values() if t.pending_id == pending_id), None)

    def moved(self, name: str, side: str) -> int:
        return sum(
            t.amount.minor
            for t in self.rows.values()
            if getattr(t, side) == name and t.phase in (Phase.SINGLE, Phase.POST)
        )

    def reserved(self, name: str, side: str) -> int:
        return sum(
            t.amount.minor
            for t in self.rows.values()
            if getattr(t, side) == name and t.phase is Phase.PENDING and not self.settlement(t.id)
        )

    def room(self, of: Account, side: str) -> float:
        rule = {"debit": Limit.DEBITS_MUST_NOT_EXCEED_CREDITS, "credit": Limit.CREDITS_MUST_NOT_EXCEED_DEBITS}[side]
        other = {"debit": "credit", "credit": "debit"}[side]
        if of.rule.limit is not rule:
            return float("inf")
        return self.moved(of.code, other) + of.limit_minor - self.moved(of.code, side) - self.reserved(of.code, side)

    def accepts(self, t: Transfer) -> bool:
        """A new id; the pending one of POST, VOID and EXPIRE is known to be there."""
        if t.amount.minor <= 0 or t.debit == t.credit:
            return False
        if t.phase in (Phase.POST, Phase.VOID, Phase.EXPIRE):
            expires_on = self.rows[t.pending_id].expires_on
            due = t.phase is not Phase.EXPIRE or (expires_on is not None and expires_on <= t.business_day)
            return due and self.settlement(t.pending_id) is None
        by_code = {a.code: a for a in CHART}
        return (
            self.room(by_code[t.debit], "debit") >= t.amount.minor
            and self.room(by_code[t.credit], "credit") >= t.amount.minor
        )


class LedgerMachine(RuleBasedStateMachine):
    sent = Bundle("sent")
    reserved = Bundle("reserved")

    def __init__(self) -> None:
        super().__init__()
        self.accounts = Accounts({(TRANSIT, a.code): Standing(a) for a in CHART})
        self.plain = PlainLedger()
        self.count = 0

    def send(self, transfer: Transfer) -> Decision:
        (decision,), self.accounts = decide_all([transfer], self.accounts)
        return decision

    def new(self, debit: str, credit: str, minor: int, phase: Phase, expires_on: date | None = None) -> Transfer:
        self.count += 1
        return Transfer(
            id=f"t{self.count}",
            book=TRANSIT,
            debit=debit,
            credit=credit,
            amount=Amount(minor),
            purpose=Purpose.ADJUSTMENT,
            business_day=DAY,
            phase=phase,
            expires_on=expires_on,
        )

    def expect(self, transfer: Transfer) -> bool:
        accepted = self.plain.accepts(transfer)
        decision = self.send(transfer)
        assert isinstance(decision, Posted if accepted else Refused), decision
        if accepted:
            self.plain.rows[transfer.id] = transfer
        return accepted

    @rule(target=sent, minor=st.integers(1, 100))
    def pay_in(self, minor: int) -> Transfer:
        """Money from outside, so that there is something to move."""
        transfer = self.new("float-at-bank", "agent-prefunded:a", minor, Phase.SINGLE)
        self.expect(transfer)
        return transfer

    @rule(target=sent, debit=codes, credit=codes, minor=amounts)
    def move(self, debit: str, credit: str, minor: int) -> object:
        transfer = self.new(debit, credit, minor, Phase.SINGLE)
        return transfer if self.expect(transfer) else multiple()

    @rule(target=reserved, debit=codes, credit=codes, minor=amounts, expires_on=st.sampled_from([None, *DAYS]))
    def reserve(self, debit: str, credit: str, minor: int, expires_on: date | None) -> object:
        transfer = self.new(debit, credit, minor, Phase.PENDING, expires_on)
        return transfer if self.expect(transfer) else multiple()

    @rule(pending=reserved, phase=st.sampled_from([Phase.POST, Phase.VOID, Phase.EXPIRE]), day=st.sampled_from(DAYS))
    def settle(self, pending: Transfer, phase: Phase, day: date) -> None:
        """The first settlement of a pending transfer is accepted, every other refused; it expires only in its time."""
        self.count += 1
        self.expect(settling(pending, phase, id=f"t{self.count}", business_day=day))

    @rule(transfer=sent)
    def repeat(self, transfer: Transfer) -> None:
        before = self.accounts
        assert self.send(transfer) == Posted(transfer, True)
        assert self.accounts == before

    @rule(transfer=consumes(sent), more=st.integers(1, 5))
    def repeat_with_another_amount(self, transfer: Transfer, more: int) -> None:
        before = self.accounts
        other = replace(transfer, amount=transfer.amount + Amount(more))
        assert self.send(other) == Refused(other, Refusal.REPEATED_WITH_OTHER_CONTENT)
        assert self.accounts == before

    @invariant()
    def counters_are_what_the_rows_add_up_to(self) -> None:
        for standing in self.accounts.standings.values():
            name = standing.account.code
            assert standing.counters == (
                self.plain.moved(name, "debit"),
                self.plain.moved(name, "credit"),
                self.plain.reserved(name, "debit"),
                self.plain.reserved(name, "credit"),
            )

    @invariant()
    def debits_equal_credits_and_the_sheet_balances(self) -> None:
        assert position_of_float(self.accounts.standings.values()).balanced

    @invariant()
    def no_account_is_beyond_its_limit(self) -> None:
        for standing in self.accounts.standings.values():
            assert standing.headroom_minor is None or standing.headroom_minor >= 0

    @invariant()
    def money_is_only_moved(self) -> None:
        net: dict[bool, int] = defaultdict(int)
        for standing in self.accounts.standings.values():
            c = standing.counters
            net[True] += c.debits_posted - c.credits_posted
            net[False] += c.debits_pending - c.credits_pending
        assert set(net.values()) <= {0}


TestLedgerAgainstAModel = LedgerMachine.TestCase


def test_the_chart_of_the_model_has_all_three_limits() -> None:
    assert {RULES[a.kind].limit for a in CHART} == set(Limit)
