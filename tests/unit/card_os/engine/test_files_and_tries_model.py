"""Files, PIN and key counters against a plain model: any order of right and wrong tries, writes, resets and tears."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from card_os.crypto.mac import fold
from card_os.crypto.suites import TRIPLE_DES
from card_os.engine import Card, PowerLost
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from simulator.softcard.memory import CardMemory

PIN_TRIES, KEY_TRIES = 3, 5
TRIPS_KEPT = 30
MANAGEMENT_SIZE = 60
TRIP = st.binary(min_size=44, max_size=44)
PINS = st.sampled_from([bytes.fromhex(pin) for pin in ("123456", "1234", "000000000000", "999999")])
WRONG = bytes.fromhex("918273")


def machine(kit: Any, image: bytes) -> type[RuleBasedStateMachine]:
    class Holder(RuleBasedStateMachine):
        """The card in a pocket: ``may_write`` and ``pin_shown`` are the rights won since the last reset."""

        @initialize()
        def start(self) -> None:
            self.memory = CardMemory(image)
            self.desk = kit.Desk(Card(self.memory, kit.counting_random()))
            self.pin, self.pin_tries, self.key_tries = kit.PIN, PIN_TRIES, KEY_TRIES
            self.trips: list[bytes] = []
            self.written = 0
            self.select()
            self.file = self.desk.send(cmd.read_binary(names.SFI_MANAGEMENT))
            assert len(self.file) == MANAGEMENT_SIZE

        @rule()
        def select(self) -> None:
            self.desk.card.reset()
            self.desk.send(cmd.select_name(names.TRANSIT_AID))
            self.state = 0

        def status(self, command: CommandApdu) -> int:
            return int(self.desk.card.transmit(command).sw.value)

        def tried(self, right: bool, left: int, most: int) -> tuple[int, int]:
            """Expected status word and tries afterwards."""
            if not left:
                return 0x6983, 0
            return (0x9000, most) if right else (0x63C0 | left - 1, left - 1)

        @rule(right=st.booleans())
        def verify(self, right: bool) -> None:
            expected, self.pin_tries = self.tried(right, self.pin_tries, PIN_TRIES)
            assert self.status(cmd.verify_pin(names.PIN, self.pin if right else WRONG)) == expected
            self.state = 1 if expected == 0x9000 else self.state

        @rule(right=st.booleans(), new=PINS)
        def change_pin(self, right: bool, new: bytes) -> None:
            old = self.pin if right else WRONG
            expected, self.pin_tries = self.tried(right, self.pin_tries, PIN_TRIES)
            assert self.status(CommandApdu(0x80, 0x5E, 0x01, names.PIN, old + b"\xff" + new)) == expected
            self.pin = new if expected == 0x9000 else self.pin

        @rule(right=st.booleans())
        def authenticate(self, right: bool) -> None:
            challenge = self.desk.send(cmd.get_challenge(8))
            key = kit.child("application" if right else "load")
            expected, self.key_tries = self.tried(right, self.key_tries, KEY_TRIES)
            command = cmd.external_authenticate(names.KEY_APPLICATION, kit.external_cryptogram(key, challenge))
            assert self.status(command) == expected
            self.state = 2 if expected == 0x9000 else self.state

        @rule(offset=st.integers(0, 70), data=st.binary(min_size=1, max_size=40))
        def update(self, offset: int, data: bytes) -> None:
            answer = self.status(cmd.update_binary(names.SFI_MANAGEMENT, data, offset=offset))
            fits = offset + len(data) <= MANAGEMENT_SIZE
            wrong = 0x6B00 if offset >= MANAGEMENT_SIZE else 0x6700
            assert answer == (0x6982 if self.state != 2 else 0x9000 if fits else wrong)
            if answer == 0x9000:
                self.file = self.file[:offset] + data + self.file[offset + len(data) :]

        @rule(trip=TRIP, cut=st.none() | st.integers(0, 130), spoil=st.booleans())
        def append(self, trip: bytes, cut: int | None, spoil: bool) -> None:
            self.written += 1
            trip = self.written.to_bytes(4, "big") + trip  # each is another one
            if cut is not None:
                self.memory.cut_after(cut, spoil=spoil)
            try:
                answer = self.status(cmd.append_record(names.SFI_TRIP_LOG, trip))
                self.memory.restore_power()
                assert answer == (0x9000 if self.state == 2 else 0x6982)
                self.trips = [trip, *self.trips] if answer == 0x9000 else self.trips
            except PowerLost:
                self.memory.restore_power()
                self.select()
                there = self.desk.card.transmit(cmd.read_record(names.SFI_TRIP_LOG, 1)).data
                self.trips = [trip, *self.trips] if there == trip else self.trips

        @rule(right=st.booleans(), cut=st.integers(0, 40))
        def torn_verify(self, right: bool, cut: int) -> None:
            """A try may be lost, never won: afterwards they are used up to be counted, and given back by the reload key."""
            before = self.pin_tries
            self.memory.cut_after(cut)
            with suppress(PowerLost):
                self.status(cmd.verify_pin(names.PIN, self.pin if right else WRONG))
            self.memory.restore_power()
            self.select()
            left = 0
            while self.status(cmd.verify_pin(names.PIN, WRONG)) != 0x6983:
                left += 1
            allowed = {before, max(before - 1, 0)} | ({PIN_TRIES} if right and before else set())
            assert left in allowed
            self.reload(b"\x12\x34")

        @rule(new=PINS)
        def reload(self, new: bytes) -> None:
            folded = TRIPLE_DES.transaction_mac(fold(kit.child("pin-reload")), new)
            self.desk.send(CommandApdu(0x80, 0x5E, 0x00, names.PIN, new + folded))
            self.pin, self.pin_tries = new, PIN_TRIES

        @invariant()
        def card_equals_model(self) -> None:
            if not hasattr(self, "file"):
                return
            assert self.desk.send(cmd.read_binary(names.SFI_MANAGEMENT)) == self.file
            for number, trip in enumerate(self.trips[:TRIPS_KEPT], start=1):
                assert self.desk.send(cmd.read_record(names.SFI_TRIP_LOG, number)) == trip
            self.desk.send(cmd.read_record(names.SFI_TRIP_LOG, len(self.trips[:TRIPS_KEPT]) + 1), 0x6A83)
            holder = self.status(cmd.read_binary(names.SFI_HOLDER))
            assert holder == (0x9000 if self.state in (1, 2) else 0x6982)

    return Holder


def test_files_and_tries_behave_as_the_model(card_memory: CardMemory, kit: Any) -> None:
    run_state_machine_as_test(
        machine(kit, card_memory.content), settings=settings(max_examples=100, stateful_step_count=60, deadline=None)
    )
