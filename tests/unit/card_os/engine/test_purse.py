"""The purse: load, purchase, compound purchase, prove."""

from __future__ import annotations

import pytest

from card_os.crypto import purse as macs
from card_os.profile.transit import LOG_RECORD, TRANSIT_PROCESS, TRIP_RECORD, TripRecord
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu

TRIP = TRIP_RECORD.encode(
    TripRecord(
        type=4,
        terminal=bytes.fromhex("991000000042"),
        industry=1,
        amount_minor=300,
        balance_minor=4700,
        time="20260915081500",
        city="1000",
        institution=bytes(8),
    )
)


@pytest.fixture(autouse=True)
def _selected(card):
    card.send(cmd.select_name(names.TRANSIT_AID))


def balance(card) -> int:
    return int.from_bytes(card.send(cmd.get_balance()), "big")


def test_load_then_compound_purchase_moves_money_log_and_trip_together(card, transit_sam, kit):
    kit.load(card, 5000)
    debited = kit.purchase(card, transit_sam, 300, trip=TRIP)
    assert balance(card) == 4700
    expected = macs.purchase_tac(
        kit.child("tac"),
        amount_minor=300,
        transaction_type=9,
        terminal=kit.TERMINAL,
        terminal_sequence=0,
        date=kit.DATE,
        time=kit.TIME,
    )
    assert debited.tac == expected
    newest = LOG_RECORD.decode(card.send(cmd.read_record(names.SFI_LOG, 1)))
    assert (newest.sequence, newest.amount_minor, newest.type) == (0, 300, 9)
    oldest = LOG_RECORD.decode(card.send(cmd.read_record(names.SFI_LOG, 2)))
    assert (oldest.sequence, oldest.amount_minor, oldest.type) == (0, 5000, 2)
    assert card.send(cmd.read_record(names.SFI_TRIP_LOG, 1)) == TRIP
    process = TRANSIT_PROCESS.decode(card.send(cmd.read_record(names.SFI_TRANSIT_PROCESS, 1)))
    assert process.exit_amount_minor == 300


def test_load_tac_and_plain_purchase_tac(card, transit_sam, kit):
    tac = kit.load(card, 5000)
    assert tac == macs.load_tac(
        kit.child("tac"),
        new_balance_minor=5000,
        online_sequence=0,
        amount_minor=5000,
        transaction_type=2,
        terminal=kit.TERMINAL,
        date=kit.DATE,
        time=kit.TIME,
    )
    prove = cmd.Debited.parse_prove(card.send(cmd.get_transaction_prove(transaction_type=2, sequence=0)))
    assert prove.tac == tac


def test_prove_gives_the_last_purchase_and_no_other(card, transit_sam, kit):
    first = kit.purchase(card, transit_sam, 0)
    prove = cmd.get_transaction_prove(transaction_type=9, sequence=0)
    assert cmd.Debited.parse_prove(card.send(prove)) == first
    card.send(cmd.get_transaction_prove(transaction_type=6, sequence=0), 0x9406)
    kit.purchase(card, transit_sam, 0)
    card.send(prove, 0x9406)


def test_a_purchase_does_not_disturb_the_prove_of_a_load(card, transit_sam, kit):
    tac = kit.load(card, 100)
    kit.purchase(card, transit_sam, 40)
    prove = cmd.Debited.parse_prove(card.send(cmd.get_transaction_prove(transaction_type=2, sequence=0)))
    assert prove.tac == tac


def test_the_cache_is_dropped_with_its_purchase(card, transit_sam, kit):
    kit.begin_purchase(card, transit_sam, 0, trip=TRIP)
    kit.purchase(card, transit_sam, 0)
    card.send(cmd.read_record(names.SFI_TRIP_LOG, 1), 0x6A83)


def test_two_caches_of_one_record_leave_the_last(card, transit_sam, kit):
    debit = kit.begin_purchase(card, transit_sam, 0, trip=TRIP)
    card.send(cmd.cache_trip(bytes(48)))
    card.send(debit)
    assert card.send(cmd.read_record(names.SFI_TRIP_LOG, 1)) == bytes(48)
    card.send(cmd.read_record(names.SFI_TRIP_LOG, 2), 0x6A83)


def test_the_log_is_not_written_through_the_cache(card, transit_sam, kit):
    """Else whoever stands between terminal and card could put another entry in the place of this purchase's own."""
    kit.load(card, 1000)
    kit.begin_purchase(card, transit_sam, 300)
    forged = cmd.update_record(names.SFI_LOG, 1, bytes(23))
    card.send(CommandApdu(0x80, 0xDC, 0x00, names.SFI_LOG << 3, forged.data), 0x6982)
    card.send(CommandApdu(0x80, 0xDC, 0x01, names.SFI_LOG << 3, forged.data), 0x6982)
    kit.purchase(card, transit_sam, 300)
    assert LOG_RECORD.decode(card.send(cmd.read_record(names.SFI_LOG, 1))).amount_minor == 300


def test_a_debit_is_not_repeated(card, transit_sam, kit):
    kit.load(card, 1000)
    debit = kit.begin_purchase(card, transit_sam, 300)
    card.send(debit)
    card.send(debit, 0x6985)
    assert balance(card) == 700


@pytest.mark.parametrize(("at", "command"), [(4, "load"), (6, "purchase")])
def test_a_counter_at_its_end_says_so(card, card_memory, kit, at, command):
    purse = next(each.purse for each in card.card._context.files.directories if each.purse is not None)
    card_memory.write(purse.offset + at, b"\xff\xff")
    build = {"load": cmd.initialize_for_load, "purchase": cmd.initialize_for_purchase}[command]
    card.send(build(key_id=1, amount_minor=0, terminal=kit.TERMINAL), 0x9402)


def test_overdraft_is_nil_and_totals_agree(card, kit):
    kit.load(card, 1000)
    assert [int.from_bytes(card.send(cmd.get_balance(value=value)), "big") for value in range(4)] == [1000, 0, 0, 1000]
