"""The deposit account (ED) beside the purse: load, purchase, cash, unload, overdraft, the four balances, prove."""

from __future__ import annotations

import pytest

from card_os.crypto import own_transactions as own
from card_os.crypto import purse as macs
from card_os.crypto.purse import TransactionType
from card_os.profile.transit import LOG_RECORD
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.commands import ELECTRONIC_DEPOSIT

ED = ELECTRONIC_DEPOSIT


@pytest.fixture
def deposit(card, kit):
    kit.with_deposit(card)
    return card


def balances(card) -> tuple[int, ...]:
    """Total, limit, used, actual."""
    return tuple(int.from_bytes(card.send(cmd.get_balance(purse=ED, value=n)), "big") for n in range(4))


def load(card, kit, amount: int) -> None:
    ask = cmd.initialize_for_load(key_id=1, amount_minor=amount, terminal=kit.TERMINAL, purse=ED)
    answer = cmd.LoadInitialized.parse(card.send(ask))
    key = kit.online_key(kit.child("load"), answer)
    request = {"amount_minor": amount, "transaction_type": TransactionType.DEPOSIT_LOAD, "terminal": kit.TERMINAL}
    assert answer.mac1 == macs.load_mac1(key, balance_minor=answer.balance_minor, **request)
    at = {"date": kit.DATE, "time": kit.TIME}
    card.send(cmd.credit_for_load(mac2=macs.load_mac2(key, **at, **request), **at))


def pay(card, sam, kit, amount: int, *, cash: bool = False) -> cmd.Debited:
    if cash:
        ask = cmd.initialize_for_cash(key_id=1, amount_minor=amount, terminal=kit.TERMINAL)
    else:
        ask = cmd.initialize_for_purchase(key_id=1, amount_minor=amount, terminal=kit.TERMINAL, purse=ED)
    answer = cmd.PurchaseInitialized.parse(card.send(ask))
    kind = TransactionType.DEPOSIT_CASH if cash else TransactionType.DEPOSIT_PURCHASE
    details = {"amount_minor": amount, "transaction_type": kind, "date": kit.DATE, "time": kit.TIME}
    ask_sam = cmd.sam_initialize_for_purchase(card=answer, serial=kit.CARD_FACTORS[1], issuer=kit.ISSUER, **details)
    permit = cmd.SamInitialized.parse(sam.send(ask_sam))
    command = cmd.debit(
        terminal_sequence=permit.terminal_sequence, date=kit.DATE, time=kit.TIME, mac1=permit.mac1, cash=cash
    )
    debited = cmd.Debited.parse_debit(card.send(command))
    sam.send(cmd.sam_credit_for_purchase(debited.mac2))
    return debited


def log(card, kit) -> list[tuple[int, int, int, int]]:
    """Newest first: type, sequence, amount, overdraft limit."""
    found = []
    while (answer := card.card.transmit(cmd.read_record(kit.DEPOSIT_LOG, len(found) + 1))).sw.value == 0x9000:
        entry = LOG_RECORD.decode(answer.data)
        found.append((entry.type, entry.sequence, entry.amount_minor, entry.overdraft_minor))
    return found


def test_its_money_is_its_own(deposit, transit_sam, kit):
    load(deposit, kit, 3000)
    pay(deposit, transit_sam, kit, 500)
    pay(deposit, transit_sam, kit, 200, cash=True)
    deposit.send(kit.begin_unload(deposit, 300))
    assert balances(deposit) == (2000, 0, 0, 2000)
    assert deposit.send(cmd.get_balance()) == bytes(4), "the purse beside it"
    assert log(deposit, kit) == [(3, 1, 300, 0), (4, 1, 200, 0), (5, 0, 500, 0), (1, 0, 3000, 0)]


def test_it_survives_reset(deposit, kit):
    load(deposit, kit, 3000)
    deposit.send(kit.begin_overdraft(deposit, 0x012345))
    deposit.card.reset()
    deposit.send(cmd.select_name(names.TRANSIT_AID))
    assert balances(deposit) == (3000 + 0x012345, 0x012345, 0, 3000)


def test_overdraft_is_spent_shown_and_paid_back(deposit, transit_sam, kit):
    load(deposit, kit, 1000)
    tac = deposit.send(kit.begin_overdraft(deposit, 500))
    assert tac == own.overdraft_tac(
        kit.child("tac"), new_balance_minor=1500, online_sequence=1, limit_minor=500,
        terminal=kit.TERMINAL, date=kit.DATE, time=kit.TIME,
    )  # fmt: skip
    pay(deposit, transit_sam, kit, 1200)
    assert balances(deposit) == (300, 500, 200, 0)
    ask = cmd.initialize_for_purchase(key_id=1, amount_minor=301, terminal=kit.TERMINAL, purse=ED)
    deposit.send(ask, 0x9401)
    answer = deposit.send(cmd.initialize_for_purchase(key_id=1, amount_minor=300, terminal=kit.TERMINAL, purse=ED))
    assert cmd.PurchaseInitialized.parse(answer).overdraft == bytes.fromhex("0001F4")
    load(deposit, kit, 700)
    assert balances(deposit) == (1000, 500, 0, 500)


def test_a_limit_below_what_is_used_is_refused(deposit, transit_sam, kit):
    deposit.send(kit.begin_overdraft(deposit, 500))
    pay(deposit, transit_sam, kit, 400)
    deposit.send(kit.begin_overdraft(deposit, 399), 0x9401)
    deposit.send(kit.begin_overdraft(deposit, 400))
    assert balances(deposit) == (0, 400, 400, 0)


def test_credit_is_not_paid_out(deposit, kit):
    deposit.send(kit.begin_overdraft(deposit, 500))
    load(deposit, kit, 100)
    deposit.send(cmd.initialize_for_unload(key_id=1, amount_minor=101, terminal=kit.TERMINAL), 0x9401)
    deposit.send(kit.begin_unload(deposit, 100))
    assert balances(deposit) == (500, 500, 0, 0)


def test_the_limit_of_the_account_is_of_its_holders_money(deposit, kit):
    deposit.send(kit.begin_overdraft(deposit, 500))
    load(deposit, kit, kit.DEPOSIT_LIMIT)
    ask = cmd.initialize_for_load(key_id=1, amount_minor=1, terminal=kit.TERMINAL, purse=ED)
    deposit.send(ask, 0x6A84)


def test_without_pin_only_the_counters_are_told(deposit, kit):
    deposit.send(cmd.select_name(names.TRANSIT_AID))
    term = kit.TERMINAL
    for amount, sw in ((1, 0x6982), (0, 0x9000)):
        request = {"key_id": 1, "amount_minor": amount, "terminal": term}
        deposit.send(cmd.initialize_for_load(purse=ED, **request), sw)
        deposit.send(cmd.initialize_for_purchase(purse=ED, **request), sw)
        deposit.send(cmd.initialize_for_cash(**request), sw)
        deposit.send(cmd.initialize_for_unload(**request), sw)
    deposit.send(cmd.initialize_for_update(key_id=1, terminal=term), 0x6982)


def test_each_ending_ends_only_its_own_beginning(deposit, kit):
    unload = kit.begin_unload(deposit, 0)
    overdraft = kit.begin_overdraft(deposit, 1)
    deposit.send(unload, 0x6985)
    deposit.send(overdraft, 0x6985)
    debit = cmd.debit(terminal_sequence=0, date=bytes(4), time=bytes(3), mac1=bytes(4))
    deposit.send(cmd.initialize_for_cash(key_id=1, amount_minor=0, terminal=kit.TERMINAL))
    deposit.send(debit, 0x6985)
    deposit.send(cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=kit.TERMINAL))
    deposit.send(cmd.debit(terminal_sequence=0, date=bytes(4), time=bytes(3), mac1=bytes(4), cash=True), 0x6985)


@pytest.mark.parametrize("kind", ["unload", "overdraft"])
def test_a_wrong_mac2_changes_nothing(deposit, kit, kind):
    load(deposit, kit, 1000)
    command = kit.begin_unload(deposit, 10) if kind == "unload" else kit.begin_overdraft(deposit, 10)
    wrong = kit.replace(command, data=command.data[:-1] + bytes((command.data[-1] ^ 1,)))
    deposit.send(wrong, 0x9302)
    deposit.send(command, 0x6985)
    assert balances(deposit) == (1000, 0, 0, 1000)


def test_every_transaction_can_be_proved_until_the_next_of_its_kind(deposit, transit_sam, kit):
    load(deposit, kit, 1000)
    command = kit.begin_unload(deposit, 10)
    mac3 = deposit.send(command)
    prove = cmd.get_transaction_prove(transaction_type=TransactionType.UNLOAD, sequence=1)
    assert deposit.send(prove) == command.data[-4:] + mac3
    deposit.send(cmd.get_transaction_prove(transaction_type=TransactionType.DEPOSIT_LOAD, sequence=0), 0x9406)
    debited = pay(deposit, transit_sam, kit, 1, cash=True)
    proved = deposit.send(cmd.get_transaction_prove(transaction_type=TransactionType.DEPOSIT_CASH, sequence=0))
    assert cmd.Debited.parse_prove(proved) == debited
    deposit.send(prove)


def test_both_purses_count_alone(deposit, transit_sam, kit):
    load(deposit, kit, 1000)
    kit.load(deposit, 500)
    pay(deposit, transit_sam, kit, 1)
    kit.purchase(deposit, transit_sam, 2)
    kit.purchase(deposit, transit_sam, 3)
    for purse, expected in ((ED, (1, 1)), (2, (1, 2))):
        request = {"key_id": 1, "amount_minor": 0, "terminal": kit.TERMINAL, "purse": purse}
        online = cmd.LoadInitialized.parse(deposit.send(cmd.initialize_for_load(**request))).online_sequence
        asked = deposit.send(cmd.initialize_for_purchase(**request))
        assert (online, cmd.PurchaseInitialized.parse(asked).offline_sequence) == expected


def test_a_purse_has_file_1_or_2(deposit, kit):
    wrong = kit.PurseSpec(fid=3, load=kit.Level.PIN, log_sfi=0, limit_minor=1)
    deposit.send(kit.perso.create_purse(wrong), 0x6A80)
    twice = kit.PurseSpec(fid=names.DEPOSIT_FILE, load=kit.Level.PIN, log_sfi=0, limit_minor=1)
    deposit.send(kit.perso.create_purse(twice), 0x6A89)


def test_a_load_of_the_medical_account_has_class_b0_and_type_31(deposit, kit):
    """B0 28, B0 2A, B0 26 (standards.md §5.5 [P]); MACs and TAC as a load's."""
    data = bytes((1,)) + (2500).to_bytes(4, "big") + kit.TERMINAL
    answer = cmd.LoadInitialized.parse(deposit.send(CommandApdu(0xB0, 0x28, 0x00, 0x01, data, 16)))
    key = kit.online_key(kit.child("load"), answer)
    request = {"amount_minor": 2500, "transaction_type": 0x31, "terminal": kit.TERMINAL}
    assert answer.mac1 == macs.load_mac1(key, balance_minor=0, **request)
    at = {"date": kit.DATE, "time": kit.TIME}
    credit = kit.DATE + kit.TIME + macs.load_mac2(key, **at, **request)
    tac = deposit.send(CommandApdu(0xB0, 0x2A, 0x00, 0x00, credit, 4))
    assert tac == macs.load_tac(
        kit.child("tac"), new_balance_minor=2500, online_sequence=answer.online_sequence, **at, **request
    )
    assert deposit.send(CommandApdu(0xB0, 0x26, 0x00, 0x01, b"", 4)) == (2500).to_bytes(4, "big")
    assert log(deposit, kit)[0][:3] == (0x31, answer.online_sequence, 2500)
    assert deposit.send(cmd.get_transaction_prove(transaction_type=0x31, sequence=answer.online_sequence))[4:] == tac


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("B0280002 0B 01 000009C4 991000000001", 0x6A86),  # the account is number 1
        ("B0280101 0B 01 000009C4 991000000001", 0x6A86),
        ("B0280001 0A 01 000009C4 9910000000", 0x6700),
        ("B02A0000 0B 20260915 081500 00000000", 0x6985),  # nothing begun
        ("B0260002 04", 0x6A86),
        ("B0270001 04", 0x6D00),
    ],
)
def test_medical_commands_refused(deposit, command, sw):
    deposit.send(CommandApdu.parse(bytes.fromhex(command)), sw)


def test_a_card_without_the_account_says_so(card, kit):
    card.send(cmd.select_name(names.SOCIAL_AID))
    card.send(CommandApdu(0xB0, 0x26, 0x00, 0x01, b"", 4), 0x6A82)
