"""The books as hledger and beancount read them: they add up what we say, and notice when we do not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest

from clearing.ledger.accounts import TRANSIT, Kind, account, medical_book
from clearing.ledger.export import Program, account_name, journal
from clearing.ledger.rules import Accounts, Phase, Posted, Purpose, Standing, Transfer, decide_all, settling
from rulebook.money import Amount

DAY = date(2026, 9, 15)
CHART = [
    account(TRANSIT, Kind.FLOAT_AT_BANK),
    account(TRANSIT, Kind.VALUE_ON_CARDS),
    account(TRANSIT, Kind.OPERATOR_PAYABLE, "bus-a"),
    account(TRANSIT, Kind.AGENT_WITH_LIMIT, "agent-2", limit_minor=10**9),
    account(TRANSIT, Kind.REFUNDS_OWED, "03109910000000000001"),
]
CHECKS = {
    Program.HLEDGER: ["hledger", "--strict", "check", "-f"],
    Program.BEANCOUNT: [str(Path(sys.executable).with_name("bean-check"))],
}


def books(seed: int, count: int) -> tuple[list[Standing], list[Transfer]]:
    """What the ledger would hold after ``count`` random transfers over three days, reservations among them."""
    random = Random(seed)
    standings = {(TRANSIT, each.code): Standing(each) for each in CHART}
    kept: list[Transfer] = []
    for number in range(count):
        debit, credit = random.sample([each.code for each in CHART], 2)
        phase = random.choice([Phase.SINGLE, Phase.SINGLE, Phase.PENDING])
        drawn = Transfer(
            id=f"t:{number}",
            book=TRANSIT,
            debit=debit,
            credit=credit,
            amount=Amount(random.randint(1, 10**7)),
            purpose=random.choice(list(Purpose)),
            business_day=DAY + timedelta(days=random.randrange(3)),
            phase=phase,
        )
        wanted = [drawn]
        if phase is Phase.PENDING:
            wanted.append(settling(drawn, random.choice([Phase.POST, Phase.VOID]), id=f"s:{number}", business_day=DAY))
        decided, accounts = decide_all(wanted, Accounts(standings))
        if all(isinstance(one, Posted) for one in decided):
            standings = dict(accounts.standings)
            kept += wanted
    return list(standings.values()), kept


def judged(program: Program, lines: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which(CHECKS[program][0]) is None:
        pytest.skip(f"{program} is missing: Debian package hledger, or the development dependencies")
    path = folder / f"books.{program}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return subprocess.run([*CHECKS[program], str(path)], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("program", Program)
@pytest.mark.parametrize("seed", range(3))
def test_they_find_our_balances(program: Program, seed: int, tmp_path: Path) -> None:
    standings, transfers = books(seed, 60)
    assert any(standing.balance.minor for standing in standings)
    found = judged(program, list(journal(program, standings, transfers)), tmp_path)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("program", Program)
def test_they_find_a_cent_too_many(program: Program, tmp_path: Path) -> None:
    standings, transfers = books(1, 60)
    moved = next(n for n, t in enumerate(transfers) if t.phase is Phase.SINGLE)
    transfers[moved] = replace(transfers[moved], amount=transfers[moved].amount + Amount(1))
    found = judged(program, list(journal(program, standings, transfers)), tmp_path)
    assert found.returncode != 0
    assert "balance" in (found.stdout + found.stderr).lower()


@pytest.mark.parametrize("program", Program)
def test_they_find_a_transfer_left_out(program: Program, tmp_path: Path) -> None:
    standings, transfers = books(2, 60)
    moved = next(t for t in transfers if t.phase is Phase.SINGLE)
    found = judged(program, list(journal(program, standings, [t for t in transfers if t != moved])), tmp_path)
    assert found.returncode != 0


@pytest.mark.parametrize("program", Program)
def test_an_empty_book_is_a_journal(program: Program, tmp_path: Path) -> None:
    found = judged(program, list(journal(program, [Standing(each) for each in CHART], [])), tmp_path)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("program", Program)
def test_a_reservation_is_no_transaction(program: Program) -> None:
    pending = Transfer(
        id="p",
        book=TRANSIT,
        debit=CHART[1].code,
        credit=CHART[2].code,
        amount=Amount(5),
        purpose=Purpose.LOAD,
        business_day=DAY,
        phase=Phase.PENDING,
    )
    voided = settling(pending, Phase.VOID, id="v", business_day=DAY)
    assert not any("0.05" in line for line in journal(program, [Standing(each) for each in CHART], [pending, voided]))


def test_accounts_have_names_that_both_programs_take() -> None:
    assert account_name(CHART[0]) == "Assets:Transit:Float-at-bank"
    assert account_name(CHART[2]) == "Liabilities:Transit:Operator-payable:Bus-a"
    fund = account(medical_book("employee-fund"), Kind.FUND_POOL)
    assert account_name(fund) == "Liabilities:Medical:Employee-fund:Fund-pool"
