"""The purse: load, purchase, compound purchase, prove."""

from __future__ import annotations

import pytest

from card_os.crypto import purse as macs
from card_os.profile.transit import LOG_RECORD, TRANSIT_PROCESS, TRIP_RECORD, TripRecord
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names

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
