"""Files of a running city: every bad row named, sums that must agree, counters that let nothing old through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.day.counters import COUNTER, advanced, seen
from clearing.day.keys import bucket_of, keys_of
from clearing.day.schema import Columns, taken
from clearing.ledger.accounts import RULES, TRANSIT, Kind, account, code
from clearing.ledger.rules import Accounts, Posted, Purpose, Standing, decide_all
from clearing.ledger.sheet import position_of_float
from clearing.opening.balances import Declared
from clearing.opening.before import from_before
from clearing.opening.cards import FORMS, Product, opening_counters, read_cards
from clearing.opening.rules import (
    LIFE,
    Control,
    Opening,
    OpeningEvent,
    OpeningFaulty,
    OpeningState,
    read_opening,
)
from clearing.verification.context import TransactionId
from rulebook.record import Event

OURS = bytes.fromhex("01991000FFFFFFFF")
HEADER = "issuer,serial,product,purse,last_offline,last_online,balance_minor,deposit_minor"
ACCOUNTS = [
    account(TRANSIT, Kind.FLOAT_AT_BANK),
    account(TRANSIT, Kind.VALUE_ON_CARDS),
    account(TRANSIT, Kind.DEPOSITS_ON_CARDS),
    account(TRANSIT, Kind.OPEN_TAPS),
    account(TRANSIT, Kind.FEES),
    account(TRANSIT, Kind.OPERATOR_PAYABLE, "bus-a"),
    account(TRANSIT, Kind.AGENT_PREFUNDED, "a"),
    account(TRANSIT, Kind.AGENT_WITH_LIMIT, "b", limit_minor=500),
    account("medical:f", Kind.FUND_AT_BANK),
    account("medical:f", Kind.FUND_POOL),
]


def serial(card: int) -> str:
    return f"03109910{card:012d}"


def row(card: int, **changed: Any) -> str:
    cells: dict[str, Any] = {
        "issuer": OURS.hex().upper(),
        "serial": serial(card),
        "product": "ordinary",
        "purse": 2,
        "last_offline": 10,
        "last_online": 3,
        "balance_minor": 1000,
        "deposit_minor": 200,
    }
    return ",".join(str(value) for value in (cells | changed).values())


def file(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def account_file(*lines: str) -> bytes:
    return file(*lines, header="book,account,balance_minor")


TWO_CARDS = file(row(1), row(2, product="student", balance_minor=500))
CONTROL = Control(2, 1500, 400)
BALANCED = account_file(
    "transit,float-at-bank,2250",
    "transit,operator-payable:bus-a,700",
    "transit,agent-prefunded:a,100",
    "transit,agent-with-limit:b,400",
    "transit,fees,-50",
)


def opened(cards: bytes = TWO_CARDS, accounts: bytes = BALANCED, control: Control = CONTROL) -> Opening:
    return read_opening(cards, accounts, control, accounts=ACCOUNTS, our_issuers=[OURS])


def faults(**given: Any) -> list[tuple[str, int, str]]:
    with pytest.raises(OpeningFaulty) as faulty:
        opened(**given)
    return [(fault.file, fault.row, fault.field) for fault in faulty.value.faults]


def test_two_files_that_agree_are_an_opening() -> None:
    opening = opened()
    assert opening.products == (Product("ordinary", 1, 1000, 200), Product("student", 1, 500, 200))
    assert opening.sheet == (
        Declared(TRANSIT, "agent-prefunded:a", 100),
        Declared(TRANSIT, "agent-with-limit:b", 400),
        Declared(TRANSIT, "deposits-on-cards", 400),
        Declared(TRANSIT, "fees", -50),
        Declared(TRANSIT, "float-at-bank", 2250),
        Declared(TRANSIT, "operator-payable:bus-a", 700),
        Declared(TRANSIT, "value-on-cards", 1500),
    )


def test_its_transfers_leave_every_account_as_declared() -> None:
    transfers = opened().transfers("n1", business_day=date(2026, 9, 15), reference="file")
    decisions, after = decide_all(transfers, Accounts({(a.book, a.code): Standing(a) for a in ACCOUNTS}))
    assert decisions == [Posted(transfer) for transfer in transfers]
    balances = {s.account.code: s.balance.minor for s in after.standings.values() if s.balance.minor}
    assert balances == {line.code: line.minor for line in opened().sheet}
    assert position_of_float(s for s in after.standings.values() if s.account.book == TRANSIT).balanced
    assert {t.purpose for t in transfers} == {Purpose.OPENING}
    assert {t.id for t in transfers} == {
        "opening:n1:transit:value-on-cards:ordinary",
        "opening:n1:transit:value-on-cards:student",
        "opening:n1:transit:deposits-on-cards:ordinary",
        "opening:n1:transit:deposits-on-cards:student",
        "opening:n1:transit:operator-payable:bus-a",
        "opening:n1:transit:agent-prefunded:a",
        "opening:n1:transit:agent-with-limit:b",
        "opening:n1:transit:fees",
    }


AMOUNTS = st.integers(0, 10**6)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), AMOUNTS, AMOUNTS), max_size=5),
    AMOUNTS,
    AMOUNTS,
    st.integers(0, 500),
)
def test_whatever_balances_is_posted_to_the_declared_balances(
    cards: list[tuple[str, int, int]], operator: int, agent: int, lent: int
) -> None:
    lines = [
        row(number, product=product, balance_minor=value, deposit_minor=deposit)
        for number, (product, value, deposit) in enumerate(cards)
    ]
    value, deposits = sum(c[1] for c in cards), sum(c[2] for c in cards)
    at_bank = value + deposits + operator + agent - lent
    declared = [
        f"transit,float-at-bank,{max(at_bank, 0)}",
        f"transit,operator-payable:bus-a,{operator - min(at_bank, 0)}",
        f"transit,agent-prefunded:a,{agent}",
        f"transit,agent-with-limit:b,{lent}",
    ]
    opening = opened(file(*lines), account_file(*declared), Control(len(cards), value, deposits))
    transfers = opening.transfers("n", business_day=date(2026, 9, 15), reference="")
    _, after = decide_all(transfers, Accounts({(a.book, a.code): Standing(a) for a in ACCOUNTS}))
    assert {s.account.code: s.balance.minor for s in after.standings.values() if s.balance.minor} == {
        line.code: line.minor for line in opening.sheet if line.minor
    }


BAD_CELLS: list[tuple[dict[str, Any], str]] = [
    ({"issuer": "01991000"}, "issuer"),
    ({"issuer": "02000000FFFFFFFF"}, "issuer"),
    ({"serial": "0310"}, "serial"),
    ({"serial": "0310991000000000000x"}, "serial"),
    ({"serial": "０３１０"}, "serial"),
    ({"product": ""}, "product"),
    ({"product": "Student"}, "product"),
    ({"purse": 3}, "purse"),
    ({"last_offline": 65536}, "last_offline"),
    ({"last_offline": -1}, "last_offline"),
    ({"last_online": "1.0"}, "last_online"),
    ({"last_online": " 1"}, "last_online"),
    ({"balance_minor": ""}, "balance_minor"),
    ({"balance_minor": -5}, "balance_minor"),
    ({"balance_minor": 2**32}, "balance_minor"),
    ({"balance_minor": "1e3"}, "balance_minor"),
    ({"deposit_minor": "20.00"}, "deposit_minor"),
    ({"deposit_minor": 10**12}, "deposit_minor"),
]


@pytest.mark.parametrize(("changed", "field"), BAD_CELLS, ids=lambda value: str(value)[:40])
def test_a_bad_cell_is_named_by_line_and_column(changed: dict[str, Any], field: str) -> None:
    assert faults(cards=file(row(1), row(2, **changed), row(3))) == [("cards", 3, field)]


def test_every_bad_cell_of_every_line_is_named_at_once() -> None:
    lines = [row(number, **changed) for number, (changed, _) in enumerate(BAD_CELLS, 1)]
    accounts = account_file("transit,float-at-bank,12", "transit,fees,1.5", "nobody,fees,1")
    found = faults(cards=file(*lines, "1,2", row(99)), accounts=accounts)
    wanted = [("cards", number, field) for number, (_, field) in enumerate(BAD_CELLS, 2)]
    wanted += [("cards", len(BAD_CELLS) + 2, "line"), ("accounts", 3, "balance_minor"), ("accounts", 4, "account")]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([row(1), row(1)], [(3, "serial")]),
        ([row(1), row(2), row(1), row(1)], [(4, "serial"), (5, "serial")]),
        ([row(0xA).replace("10a", "10A"), row(0xA)], [(3, "serial")]),
        ([row(1), row(1, purse=1)], [(3, "deposit_minor")]),
    ],
    ids=["twice", "three times", "in another case", "two deposits"],
)
def test_a_card_that_stands_twice_is_named(lines: Sequence[str], wanted: list[tuple[int, str]]) -> None:
    assert faults(cards=file(*lines)) == [("cards", line, field) for line, field in wanted]


def test_the_other_purse_of_a_card_is_no_repeat() -> None:
    opening = opened(
        file(row(1), row(1, purse=1, deposit_minor=0)),
        account_file("transit,float-at-bank,2200"),
        Control(1, 2000, 200),
    )
    assert opening.products == (Product("ordinary", 1, 2000, 200),)


@pytest.mark.parametrize(
    ("content", "row_and_field"),
    [
        (b"", (1, "header")),
        (b"serial,issuer\n1,2\n", (1, "header")),
        (b"\xff\xfe" + TWO_CARDS, (1, "header")),
        (TWO_CARDS.replace(b"purse", b"Purse"), (1, "header")),
        (file(row(1), "", row(2)), (3, "issuer")),
        (file(row(1), row(2) + ",7"), (3, "line")),
        (file(row(1), f'"{row(2)}"'), (3, "issuer")),
        (file(row(1), "A" * 3_000_000, row(2)), (0, "file")),
    ],
    ids=["empty", "other columns", "UTF-16", "upper case", "blank line", "one too many", "quotes", "megabytes"],
)
def test_a_line_of_another_form_is_named(content: bytes, row_and_field: tuple[int, str]) -> None:
    assert ("cards", *row_and_field) in faults(cards=content)


def test_of_a_column_that_is_wrong_everywhere_so_many_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sheets", "cards"):
        monkeypatch.setattr(f"clearing.opening.{module}.LISTED", 3)
    bad = [row(number, product="Citizen", purse=7) for number in range(1, 9)]
    assert len(faults(cards=file(*bad))) == 6
    foreign = [row(number, issuer="0199200011111111") for number in range(1, 9)]
    assert len(faults(cards=file(*foreign))) == 3
    assert len(faults(cards=file(*[row(1) + ",7"] * 8))) == 3


@pytest.mark.parametrize(
    "content",
    [TWO_CARDS.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + TWO_CARDS, TWO_CARDS.rstrip(), TWO_CARDS + b"\n\n"],
    ids=["CR LF", "byte order mark", "no end of line", "blank lines at the end"],
)
def test_what_a_spreadsheet_makes_of_it_is_read(content: bytes) -> None:
    assert opened(content).products == opened().products


@pytest.mark.parametrize(
    ("control", "field", "said"),
    [
        (Control(3, 1500, 400), "cards", "is declared as 3; the file has 2: a difference of -1"),
        (Control(2, 1499, 400), "balance_minor", "is declared as 1499; the file has 1500: a difference of 1"),
        (Control(2, 1500, 0), "deposit_minor", "is declared as 0; the file has 400: a difference of 400"),
    ],
)
def test_sums_must_be_the_declared_ones(control: Control, field: str, said: str) -> None:
    with pytest.raises(OpeningFaulty) as faulty:
        opened(control=control)
    (fault,) = faulty.value.faults
    assert (fault.file, fault.field, fault.message) == ("control", field, said)


BAD_ACCOUNTS: list[tuple[list[str], tuple[int, str]]] = [
    (["transit,operator-payable:bus-z,1"], (6, "account")),
    (["nowhere,fees,1"], (6, "account")),
    (["transit,value-on-cards,1500"], (6, "account")),
    (["transit,deposits-on-cards,400"], (6, "account")),
    (["transit,open-taps,1"], (6, "account")),
    (["transit,agent-prefunded:a,100"], (6, "account")),
]


@pytest.mark.parametrize(("lines", "where"), BAD_ACCOUNTS, ids=lambda value: str(value))
def test_an_account_that_cannot_be_declared_is_named(lines: list[str], where: tuple[int, str]) -> None:
    declared = BALANCED.decode().splitlines()[1:-1]
    assert faults(accounts=account_file(*declared, *lines)) == [("accounts", *where)]


def test_what_is_never_below_zero_is_not_declared_below_zero() -> None:
    below = BALANCED.replace(b"agent-prefunded:a,100", b"agent-prefunded:a,-100")
    assert faults(accounts=below) == [("accounts", 4, "balance_minor")]


@pytest.mark.parametrize("changed", [b"float-at-bank,2249", b"float-at-bank,2251"])
def test_money_at_the_bank_must_be_what_is_owed(changed: bytes) -> None:
    assert faults(accounts=BALANCED.replace(b"float-at-bank,2250", changed)) == [("accounts", 0, TRANSIT)]


def test_each_book_balances_alone() -> None:
    both = BALANCED + b"medical:f,fund-at-bank,10\nmedical:f,fund-pool,9\n"
    assert faults(accounts=both) == [("accounts", 0, "medical:f")]
    assert opened(accounts=both.replace(b"fund-pool,9", b"fund-pool,10")).books == ("medical:f", TRANSIT)


def test_a_book_without_money_at_the_bank_is_refused() -> None:
    assert faults(accounts=account_file("transit,fees,1")) == [("accounts", 0, TRANSIT)]


def test_what_the_ledger_would_refuse_is_refused_here() -> None:
    beyond = BALANCED.replace(b"limit:b,400", b"limit:b,501").replace(b"float-at-bank,2250", b"float-at-bank,2149")
    ((_, _, field),) = faults(accounts=beyond)
    assert field == "agent-with-limit:b → float-at-bank"


def test_a_city_without_cards_can_begin() -> None:
    opening = opened(file(), account_file("transit,float-at-bank,5", "transit,fees,5"), Control(0, 0, 0))
    assert opening.products == ()
    assert {name: len(column) for name, column in opening_counters(opening.cards).items()} == dict.fromkeys(
        COUNTER.names or (), 0
    )


LAST = st.none() | st.integers(0, 300)


@given(st.lists(st.tuples(LAST, LAST), min_size=1, max_size=8), st.integers(0, 400))
def test_nothing_up_to_the_last_is_paid_and_the_next_is_due(
    lasts: list[tuple[int | None, int | None]], tried: int
) -> None:
    lines = [
        row(number, last_offline="" if off is None else off, last_online="" if on is None else on)
        for number, (off, on) in enumerate(lasts)
    ]
    cards, _ = read_cards(file(*lines), [OURS])
    counters = opening_counters(cards)
    assert {name: column.dtype for name, column in counters.items()} == {n: COUNTER[n] for n in COUNTER.names or ()}
    names = np.frombuffer(b"".join(OURS + bytes.fromhex(serial(n)) for n in range(len(lasts))), "V18")
    for load in (False, True):
        count = len(lasts)
        purse, sequence = np.full(count, 2, dtype=np.int64), np.full(count, tried, dtype=np.int64)
        keys = keys_of(names, purse, np.full(count, load), sequence)
        known = [last[load] for last in lasts]
        assert seen(counters, keys, names).tolist() == [last is not None and tried <= last for last in known]


@given(st.lists(st.tuples(LAST, LAST), min_size=1, max_size=8), st.integers(0, 400))
def test_what_is_from_before_is_told_however_late_it_comes(
    lasts: list[tuple[int | None, int | None]], tried: int
) -> None:
    lines = [
        row(number, last_offline="" if off is None else off, last_online="" if on is None else on)
        for number, (off, on) in enumerate(lasts)
    ]
    counters = opening_counters(read_cards(file(*lines), [OURS])[0])

    def of_bucket(bucket: int) -> Columns:
        return taken(counters, bucket_of(counters["key"]) == bucket)

    ids = {
        TransactionId(OURS, bytes.fromhex(serial(number)), 2, load, tried): last is not None and tried <= last
        for number, pair in enumerate(lasts)
        for load, last in zip((False, True), pair, strict=True)
    }
    assert from_before(ids, of_bucket) == {id_ for id_, before in ids.items() if before}
    assert from_before([], of_bucket) == frozenset()


def test_a_window_goes_on_from_the_counters() -> None:
    cards, _ = read_cards(file(row(1)), [OURS])
    name = np.frombuffer(OURS + bytes.fromhex(serial(1)), "V18")
    for sequence, missing in ((11, []), (13, [(11, 12)])):
        key = keys_of(name, np.array([2]), np.array([False]), np.array([sequence]))
        yes = np.array([True])
        after, gaps, unfinished = advanced(
            opening_counters(cards), key, name, yes, yes, np.array([Event.RIDE], dtype=np.int8)
        )
        assert unfinished == []
        assert [(gap.first, gap.last) for gap in gaps] == missing
        assert seen(after, key, name).all()


@pytest.mark.parametrize("event", OpeningEvent)
def test_only_what_is_proposed_is_decided_about(event: OpeningEvent) -> None:
    assert [state for state, known in LIFE if known is event] == [OpeningState.PROPOSED]
    assert LIFE[OpeningState.PROPOSED, event] is not OpeningState.PROPOSED


def test_the_columns_are_those_of_the_form() -> None:
    assert ",".join(FORMS) == HEADER
    assert code(Kind.FEES) in {a.code for a in ACCOUNTS}
    assert RULES[Kind.FEES].side == "credit"
