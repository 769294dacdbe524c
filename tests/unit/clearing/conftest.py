"""A small town for clearing's rules: one bus, one gate, a top-up desk, three cards, with real TACs."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from card_os.crypto.suites import SUITES
from clearing.day.reference import ObjectInputs, ObjectResult, settle
from clearing.day.run import DayResult
from clearing.facts.rules import DenyChange, deny_list_of
from clearing.ledger.rules import Transfer
from clearing.participants.closing import Agreed
from clearing.participants.rules import demonstration
from clearing.settlement.model import WindowResult
from clearing.settlement.rules import Opening, WindowInputs
from clearing.settlement.rules import settle as settle_window
from clearing.verification.algorithms import algorithm_of
from clearing.verification.context import Context, KnownCard, KnownDevice, KnownLoad, TransactionId
from clearing.verification.reasons import Status
from clearing.verification.tac import TAC_MASTER, right_claims, tac_input
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.devices import DeviceKind
from rulebook.messages.facts import CardFact, CardState, SamFact, SamState
from rulebook.record import Event, Kind, Outcome, Record
from rulebook.tariff import Tariff, load_tariff
from rulebook.tariff.demonstration import demonstration_document

ISSUER = bytes.fromhex("01991000FFFFFFFF")
DAY = date(2026, 9, 15)
MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)
DEVICES = {
    "BUS-A-0001": (DeviceKind.VALIDATOR, "bus-a"),
    "BUS-B-0001": (DeviceKind.VALIDATOR, "bus-b"),
    "GATE-1": (DeviceKind.GATE, "metro"),
    "TOPUP-01": (DeviceKind.TOPUP, "agent-1"),
}


def serial(card: int) -> bytes:
    return bytes.fromhex(f"03109910{card:012d}")


def terminal(device: str) -> bytes:
    return bytes.fromhex(f"9910{list(DEVICES).index(device) + 1:08d}")


def sam_serial(device: str) -> bytes:
    return bytes.fromhex(f"{list(DEVICES).index(device) + 1:020d}")


@cache
def tariff() -> Tariff:
    return load_tariff(demonstration_document())


def card_fact(card: int, state: CardState = CardState.ACTIVE) -> CardFact:
    return CardFact(
        issuer=ISSUER,
        serial=serial(card),
        chip_serial=bytes([card]) * 8,
        person=f"p{card}",
        product="citizen",
        rider_class="ordinary",
        key_version=1,
        valid_from=date(2026, 1, 1),
        valid_to=date(2099, 12, 31),  # more seconds than 31 bits hold
        purse_limit_minor=100000,
        state=state,
        effective=MORNING,
    )


def sam_fact(device: str) -> SamFact:
    return SamFact(
        sam_serial=sam_serial(device),
        terminal_number=terminal(device),
        issuer=ISSUER,
        key_version=1,
        device=device,
        operator=DEVICES[device][1],
        state=SamState.BOUND,
    )


@dataclass
class Town:
    """Journals of the town's devices, and what clearing knows. ``journal`` numbers each device's records from 1."""

    vault: SoftwareVault = field(default_factory=lambda: SoftwareVault.demonstration({KeyLabel.TAC}))
    journal: dict[str, list[Record]] = field(default_factory=dict)
    deny: list[DenyChange] = field(default_factory=list)
    loads: dict[TransactionId, KnownLoad] = field(default_factory=dict)
    cards: int = 3
    classes: dict[int, str] = field(default_factory=dict)
    expired: set[int] = field(default_factory=set)

    def write(self, record: Record) -> Record:
        rows = self.journal.setdefault(record.device, [])
        rows.append(replace(record, journal_sequence=len(rows) + 1))
        return rows[-1]

    def tac(self, record: Record) -> bytes:
        algorithm = algorithm_of(record.algorithm)
        key = self.vault.child_key(replace(TAC_MASTER, algorithm=algorithm), [record.issuer, record.serial[2:]])
        return SUITES[algorithm].tac(key, tac_input(record))

    def intent(self, card: int, sequence: int, *, amount: int = 100, at: datetime = MORNING, **fields: Any) -> Record:
        device = fields.pop("device", "BUS-A-0001")
        base: dict[str, Any] = {
            "kind": Kind.INTENT,
            "event": Event.RIDE,
            "device": device,
            "journal_sequence": 0,
            "line": "B101",
            "issuer": ISSUER,
            "serial": serial(card),
            "card_class": 1,
            "key_version": 1,
            "algorithm": 0,
            "transaction_type": 6,
            "amount_minor": amount,
            "balance_before_minor": 5000,
            "card_sequence": sequence,
            "sam_terminal": terminal(device),
            "sam_sequence": sequence,
            "date": bytes.fromhex(f"{at:%Y%m%d}"),
            "time": bytes.fromhex(f"{at:%H%M%S}"),
            "tariff_version": 1,
        }
        return self.write(Record(**(base | fields)))

    def outcome(self, intent: Record, outcome: Outcome = Outcome.DONE, **fields: Any) -> Record:
        tac = self.tac(intent) if outcome is Outcome.DONE else bytes(4)
        ends: dict[str, Any] = {
            "kind": Kind.OUTCOME,
            "outcome": outcome,
            "refers_to": intent.journal_sequence,
            "tac": tac,
        }
        return self.write(replace(intent, **(ends | fields)))

    def finding(self, intent: Record, device: str, outcome: Outcome = Outcome.DONE, **fields: Any) -> Record:
        """What another terminal learns of the card: its sequence and, from PROVE, the TAC."""
        tac = self.tac(intent) if outcome is Outcome.DONE else bytes(4)
        ends: dict[str, Any] = {"kind": Kind.FINDING, "outcome": outcome, "refers_to": 0, "tac": tac, "device": device}
        return self.write(replace(intent, **(ends | fields)))

    def tap(self, card: int, sequence: int, **fields: Any) -> tuple[Record, Record]:
        intent = self.intent(card, sequence, **fields)
        return intent, self.outcome(intent)

    @property
    def records(self) -> tuple[Record, ...]:
        return tuple(record for rows in self.journal.values() for record in rows)

    def context(self) -> Context:
        facts = [
            card_fact(card).model_copy(update={"rider_class": self.classes.get(card, "ordinary")} | self._dates(card))
            for card in range(1, self.cards + 1)
        ]
        return Context(
            business_day=DAY,
            policy=demonstration().rules(),
            devices={
                name: KnownDevice(name, kind, operator, sam_serial(name), terminal(name))
                for name, (kind, operator) in DEVICES.items()
            },
            sams={sam_serial(name): sam_fact(name) for name in DEVICES},
            cards={(fact.issuer, fact.serial): KnownCard.of(fact) for fact in facts},
            deny=deny_list_of(self.deny),
            tariffs={1: tariff()},
            loads=self.loads,
        )

    def _dates(self, card: int) -> dict[str, date]:
        return {"valid_to": DAY - timedelta(days=1)} if card in self.expired else {}

    def inputs(self, records: tuple[Record, ...] | None = None) -> ObjectInputs:
        return ObjectInputs(1, self.context(), self.records if records is None else records)

    def settle(self, inputs: ObjectInputs | None = None) -> ObjectResult:
        return settle(inputs or self.inputs(), partial(right_claims, self.vault))

    def window(self, *, online: tuple[Transfer, ...] = (), opening: Opening | None = None) -> WindowResult:
        """The result of the window, its day taken from the object way."""
        day = self.settle()
        here = demonstration()
        return settle_window(
            WindowInputs(
                1, DAY, online, Agreed.of({}, here), {1: tariff()}, here.parties(), here.keepers, opening or Opening()
            ),
            DayResult(
                counts=Counter(row.decision.status for row in day.decided),
                exceptions=tuple(r for r in day.decided if r.decision.status in (Status.REJECTED, Status.SUSPENDED)),
                remarks=day.remarks,
                transfers=day.posted,
                held=day.held,
                cleared=(),
                counters=(),
            ),
        )

    def deny_card(self, card: int, *, number: int = 5, reported_at: datetime = MORNING - timedelta(hours=2)) -> None:
        self.deny.append(
            DenyChange(number=number, issuer=ISSUER, serial=serial(card), denied=True, reported_at=reported_at)
        )


@pytest.fixture
def town() -> Town:
    return Town()


class Disk:
    """What has been synced, by inode: renaming changes none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: list[int] = []
        self.faults: list[str] = []
        fsync, replace = os.fsync, os.replace

        def noted(descriptor: int) -> None:
            self.synced.append(os.fstat(descriptor).st_ino)
            fsync(descriptor)

        def checked(source: Any, target: Any) -> None:
            if os.stat(source).st_ino not in self.synced:
                self.faults.append(f"{target} has a name before its bytes are on disk")
            replace(source, target)
            self.synced = [one for one in self.synced if one != os.stat(os.path.dirname(target)).st_ino]

        monkeypatch.setattr(os, "fsync", noted)
        monkeypatch.setattr(os, "replace", checked)

    def assert_there(self, root: Path) -> None:
        """Every folder below ``root`` was synced after the last name that came into it."""
        assert not self.faults
        for path in root.rglob("*"):
            assert path.parent.stat().st_ino in self.synced, f"the name of {path} may be lost"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)
