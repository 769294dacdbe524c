"""The purse against a plain model: any order of loads, purchases, refusals, tears and resets."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from card_os.engine import Card, PowerLost
from card_os.profile.psam import TRANSIT_SAM
from card_os.profile.transit import LOG_RECORD, PURSE_LIMIT_MINOR
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from simulator.softcard.memory import CardMemory

AMOUNTS = st.one_of(st.integers(0, 500), st.integers(0, PURSE_LIMIT_MINOR + 10))


@dataclass
class Model:
    """What a holder would keep on paper."""

    balance: int = 0
    loads: int = 0
    purchases: int = 0
    log: list[tuple[int, int, int]] = field(default_factory=list)  # type, sequence, amount; newest first

    def load(self, amount: int) -> None:
        self.log.insert(0, (2, self.loads, amount))
        self.balance, self.loads = self.balance + amount, self.loads + 1

    def purchase(self, amount: int) -> None:
        self.log.insert(0, (9, self.purchases, amount))
        self.balance, self.purchases = self.balance - amount, self.purchases + 1


def machine(kit, image: bytes) -> type[RuleBasedStateMachine]:
    class Purse(RuleBasedStateMachine):
        @initialize()
        def start(self) -> None:
            self.memory = CardMemory(image)
            self.desk = kit.Desk(Card(self.memory, kit.counting_random()))
            self.sam = kit.Desk(kit.personalised_sam(TRANSIT_SAM))
            self.sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
            self.desk.send(cmd.select_name(names.TRANSIT_AID))
            self.model = Model()

        @rule(amount=AMOUNTS)
        def load(self, amount: int) -> None:
            if self.model.balance + amount > PURSE_LIMIT_MINOR:
                self.desk.send(cmd.verify_pin(names.PIN, kit.PIN))
                ask = cmd.initialize_for_load(key_id=1, amount_minor=amount, terminal=kit.TERMINAL)
                self.desk.send(ask, 0x6A84)
                return
            kit.load(self.desk, amount)
            self.model.load(amount)

        @rule(amount=AMOUNTS)
        def purchase(self, amount: int) -> None:
            if amount > self.model.balance:
                ask = cmd.initialize_for_compound_purchase(key_id=1, amount_minor=amount, terminal=kit.TERMINAL)
                self.desk.send(ask, 0x9401)
                return
            kit.purchase(self.desk, self.sam, amount, trip=bytes(48))
            self.model.purchase(amount)

        @rule(amount=st.integers(0, 500), cut=st.integers(0, 1000))
        def torn_purchase(self, amount: int, cut: int) -> None:
            if amount > self.model.balance:
                return
            command = kit.begin_purchase(self.desk, self.sam, amount, trip=bytes(48))
            self.memory.cut_after(cut)
            try:
                self.desk.send(command)
                self.memory.restore_power()
                self.model.purchase(amount)
            except PowerLost:
                self.memory.restore_power()
                self.desk.card.reset()
                self.desk.send(cmd.select_name(names.TRANSIT_AID))
                self.finish(amount)

        def finish(self, amount: int) -> None:
            """As the next terminal does: sequence unchanged means void, advanced means done."""
            ask = cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=kit.TERMINAL)
            now = cmd.PurchaseInitialized.parse(self.desk.send(ask)).offline_sequence
            prove = cmd.get_transaction_prove(transaction_type=9, sequence=self.model.purchases)
            self.desk.send(prove, 0x9406 if now == self.model.purchases else 0x9000)
            if now != self.model.purchases:
                self.model.purchase(amount)

        @rule()
        def wrong_mac(self) -> None:
            ask = cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=kit.TERMINAL)
            self.desk.send(ask)
            self.desk.send(cmd.debit(terminal_sequence=0, date=kit.DATE, time=kit.TIME, mac1=bytes(4)), 0x9302)

        @rule()
        def pulled_after_initialize(self) -> None:
            ask = cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=kit.TERMINAL)
            self.desk.send(ask)
            self.desk.card.reset()
            self.desk.send(cmd.select_name(names.TRANSIT_AID))

        @invariant()
        def card_equals_model(self) -> None:
            if not hasattr(self, "model"):
                return
            assert self.desk.send(cmd.get_balance()) == self.model.balance.to_bytes(4, "big")
            for number, (kind, sequence, amount) in enumerate(self.model.log[:10], start=1):
                record = LOG_RECORD.decode(self.desk.send(cmd.read_record(names.SFI_LOG, number)))
                assert (record.type, record.sequence, record.amount_minor) == (kind, sequence, amount)
            self.desk.send(cmd.read_record(names.SFI_LOG, len(self.model.log[:10]) + 1), 0x6A83)

    return Purse


def test_the_purse_behaves_as_the_model(card_memory, kit):
    purse = machine(kit, card_memory.content)
    run_state_machine_as_test(purse, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))
