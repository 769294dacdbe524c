"""The day itself: every happening of the plan at its terminal, batches and parameters every two hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

from card_os.wire.dialogue import HostSilent
from rulebook.messages.devices import DeviceKind
from rulebook.messages.medical import ItemClass
from rulebook.money import yuan
from simulator.city.evening import Evening, evening
from simulator.city.fleet import ParameterReader, Unit
from simulator.city.offices import CityClock
from simulator.city.plan import BusTap, Happening, Load, Loss, MetroTap, Visit
from simulator.city.readers import Pulled, Readers
from simulator.city.witness import Witness
from terminals.dialogues.purchase import TapResult
from terminals.gate import Gate
from terminals.hospital import FeeItem, HospitalDesk
from terminals.topup import Loaded, LoadResult, NotLoaded, TopUpDesk
from terminals.validator import Validator

CONTACT_EVERY = timedelta(hours=2)
LAST_CONTACT = timedelta(minutes=20)  # after the last happening everything is uploaded once more
PIN = "123456"

# What patients are charged for (ours): code, name, price, class, first self-pay is the policy's.
_FEES: tuple[tuple[str, str, str, ItemClass], ...] = (
    ("A001", "普通门诊诊察费", "50.00", ItemClass.A),
    ("L010", "血常规", "25.00", ItemClass.A),
    ("L044", "肝功能检查", "118.60", ItemClass.A),
    ("D102", "阿莫西林胶囊", "23.80", ItemClass.A),
    ("D771", "进口降压药", "186.40", ItemClass.B),
    ("X200", "胸部CT", "320.00", ItemClass.B),
    ("T300", "物理治疗", "96.50", ItemClass.A),
    ("C900", "特需病房陪护用品", "45.00", ItemClass.C),
)
_LARGEST_COUNT = 30  # of one item on a visit, so that some pass the year's deductible at once


@dataclass(slots=True)
class Diary:
    """How often what happened: tap endings and refusals, load results, visit outcomes; how the hospitals' day ended."""

    taps: Counter[str] = field(default_factory=Counter)
    loads: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    evenings: list[Evening] = field(default_factory=list)

    @property
    def tap_count(self) -> int:
        return self.taps.total()


class CityDay:
    """``cards`` by person, ``units`` by terminal; ``report_loss`` tells issuing and lets clearing know. ``has_network`` is
    asked for a terminal at each of its contacts."""

    def __init__(
        self,
        *,
        cards: Sequence[Witness],
        units: Sequence[Unit],
        readers: Readers,
        clock: CityClock,
        random: Random,
        report_loss: Callable[[int], None],
        diary: Diary,
        has_network: Callable[[], bool],
    ) -> None:
        self.diary = diary
        self._has_network = has_network
        self._cards = cards
        self._units = units
        self._readers = readers
        self._clock = clock
        self._random = random
        self._report_loss = report_loss
        self._parameters = ParameterReader(clock)
        self._by_kind = {kind: [unit for unit in units if unit.place.kind is kind] for kind in DeviceKind}

    def play(self, plan: Sequence[Happening]) -> Iterator[Happening]:
        """Let it all happen, in order; yields each happening when it is over."""
        next_contact = plan[0].at + CONTACT_EVERY
        for happening in plan:
            while happening.at >= next_contact:
                self.contact(next_contact)
                next_contact += CONTACT_EVERY
            self._clock.now = happening.at
            self._happen(happening)
            yield happening
        self.contact(plan[-1].at + LAST_CONTACT)

    def contact(self, at: datetime) -> None:
        """Every terminal that has a network is in touch for a moment."""
        self._clock.now = at
        for unit in self._units:
            if self._has_network():
                # Silence: what was sent is sent again the next time.
                with suppress(HostSilent):
                    self._in_touch(unit)

    def catch_up(self) -> None:
        """Every terminal is in touch."""
        for unit in self._units:
            self._in_touch(unit)

    def _in_touch(self, unit: Unit) -> None:
        """Batches up, tariff and deny list down."""
        self.diary.batches += unit.upload()
        kept = self._parameters.fetched(unit.uplink, unit.parameters)
        unit.learn(self._parameters.rules(kept))
        unit.report(kept)

    def reconcile(self, day: date) -> None:
        """The hospitals' evening."""
        for unit in self._by_kind[DeviceKind.HOSPITAL]:
            assert isinstance(unit.machine, HospitalDesk)
            self.diary.evenings.append(evening(unit.place.operator, unit.machine, day, self._clock.now))

    def _happen(self, happening: Happening) -> None:
        match happening:
            case Load():
                self._load(happening)
            case BusTap():
                self._bus(happening)
            case MetroTap():
                self._metro(happening)
            case Visit():
                self._visit(happening)
            case Loss():
                self._report_loss(happening.person)

    def _load(self, load: Load) -> None:
        unit = self._by_kind[DeviceKind.TOPUP][load.desk]
        assert isinstance(unit.machine, TopUpDesk)
        card = self._readers.field(unit.number, self._cards[load.person])
        result = unit.machine.load(card, load.amount, PIN, load.at)
        self.diary.loads[_load_word(result)] += 1

    def _bus(self, tap: BusTap) -> None:
        unit = self._by_kind[DeviceKind.VALIDATOR][tap.vehicle]
        assert isinstance(unit.machine, Validator)
        chip = self._cards[tap.person]
        card = self._readers.field(unit.number, Pulled(chip, executed=tap.executed) if tap.pulled else chip)
        self._note(unit.machine.tap(card, tap.at))

    def _metro(self, tap: MetroTap) -> None:
        unit = self._by_kind[DeviceKind.GATE][tap.gate]
        assert isinstance(unit.machine, Gate)
        card = self._readers.field(unit.number, self._cards[tap.person])
        self._note(unit.machine.enter(card, tap.at) if tap.entering else unit.machine.leave(card, tap.at))

    def _note(self, result: TapResult) -> None:
        self.diary.taps[result.refusal or result.ending] += 1

    def _visit(self, visit: Visit) -> None:
        unit = self._by_kind[DeviceKind.HOSPITAL][visit.hospital]
        assert isinstance(unit.machine, HospitalDesk)
        card = self._readers.field(unit.number, self._cards[visit.person])
        self.diary.visits[unit.machine.visit(card, self._charges(), visit.at).outcome] += 1

    def _charges(self) -> list[FeeItem]:
        chosen = self._random.sample(_FEES, self._random.randint(2, 5))
        return [
            FeeItem(
                code=code,
                name=name,
                price=yuan(price),
                count=Decimal(self._random.randint(1, _LARGEST_COUNT)),
                item_class=item_class,
            )
            for code, name, price, item_class in chosen
        ]


def _load_word(result: LoadResult) -> str:
    match result:
        case Loaded():
            return "loaded"
        case NotLoaded(reason=reason):
            return reason
        case _:
            return "unknown"
