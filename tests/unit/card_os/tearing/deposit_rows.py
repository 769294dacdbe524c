"""The deposit account's part of the table in ``conftest.py``, which loads this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from card_os.crypto import purse as macs
from card_os.crypto.purse import TransactionType
from card_os.engine import commands as of
from card_os.wire import commands as cmd
from card_os.wire.apdu import CommandApdu
from card_os.wire.commands import ELECTRONIC_DEPOSIT

HELD = 3000


def _begin_load(b: Any, amount: int) -> CommandApdu:
    kit, desk = b.kit, b.card
    ask = cmd.initialize_for_load(key_id=1, amount_minor=amount, terminal=kit.TERMINAL, purse=ELECTRONIC_DEPOSIT)
    key = kit.online_key(kit.child("load"), cmd.LoadInitialized.parse(desk.send(ask)))
    details = {"transaction_type": TransactionType.DEPOSIT_LOAD, "date": kit.DATE, "time": kit.TIME}
    mac2 = macs.load_mac2(key, amount_minor=amount, terminal=kit.TERMINAL, **details)
    return cmd.credit_for_load(date=kit.DATE, time=kit.TIME, mac2=mac2)


def _account(b: Any) -> None:
    """With money on it and a limit."""
    b.kit.with_deposit(b.card)
    b.card.send(_begin_load(b, HELD))
    b.card.send(b.kit.begin_overdraft(b.card, 500))


def _on_account(begin: Callable[[Any], CommandApdu]) -> Callable[[Any], CommandApdu]:
    def prepare(b: Any) -> CommandApdu:
        _account(b)
        return begin(b)

    return prepare


def _begin_debit(b: Any, *, cash: bool) -> CommandApdu:
    kit = b.kit
    asked = {"key_id": 1, "amount_minor": 200, "terminal": kit.TERMINAL}
    ask = cmd.initialize_for_cash(**asked) if cash else cmd.initialize_for_purchase(**asked, purse=ELECTRONIC_DEPOSIT)
    answer = cmd.PurchaseInitialized.parse(b.card.send(ask))
    kind = TransactionType.DEPOSIT_CASH if cash else TransactionType.DEPOSIT_PURCHASE
    details = {"amount_minor": 200, "transaction_type": kind, "date": kit.DATE, "time": kit.TIME}
    ask_sam = cmd.sam_initialize_for_purchase(card=answer, serial=kit.CARD_FACTORS[1], issuer=kit.ISSUER, **details)
    permit = cmd.SamInitialized.parse(b.sam.send(ask_sam))
    return cmd.debit(
        terminal_sequence=permit.terminal_sequence, date=kit.DATE, time=kit.TIME, mac1=permit.mac1, cash=cash
    )


# name: the command's class, what comes before it
CHANGING: dict[str, tuple[type, Callable[[Any], CommandApdu]]] = {
    "CREDIT FOR LOAD, deposit": (of.CreditForLoad, _on_account(lambda b: _begin_load(b, 700))),
    "DEBIT FOR UNLOAD": (of.DebitForUnload, _on_account(lambda b: b.kit.begin_unload(b.card, 300))),
    "UPDATE OVERDRAW LIMIT": (of.UpdateOverdrawLimit, _on_account(lambda b: b.kit.begin_overdraft(b.card, 1000))),
    "DEBIT, deposit": (of.Debit, _on_account(lambda b: _begin_debit(b, cash=False))),
    "DEBIT, cash": (of.Debit, _on_account(lambda b: _begin_debit(b, cash=True))),
}
