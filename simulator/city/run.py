"""A whole city's day: from blank chips and an empty database to the closed window."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from random import Random
from typing import Any

from clearing.demonstration import ACCOUNTS as CLEARING_ACCOUNTS
from clearing.devices.parameter_keys import keys_in
from issuing.counter.messages import Outcome, Result
from issuing.demonstration import ACCOUNTS as ISSUING_ACCOUNTS
from issuing.stock.rules import BlankKind
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.devices import DeviceKind
from rulebook.tariff.demonstration import demonstration_document
from simulator.city import offices
from simulator.city.auditor import Audit, audit, read_books
from simulator.city.chips import CARD_CHIPS, SAM_CHIPS, Factory
from simulator.city.day import CityDay, Diary
from simulator.city.fleet import Sam, Unit, enrolled
from simulator.city.money import SETTLEMENT_DAY, Settled, settle
from simulator.city.offices import CityClock, Clerk, OfficeRefused, signed_in
from simulator.city.people import Citizen, citizens
from simulator.city.places import DAY, FUND, ISSUER, METRO_STATIONS, Place, places
from simulator.city.plan import Extent, plan_day
from simulator.city.progress import Progress
from simulator.city.readers import ReaderKind, Readers, readers
from simulator.city.witness import Witness
from simulator.services import Services, running_services

OPENING, CLOSING, MORNING = time(5, 0), time(23, 30), time(10, 0)
COUNTER = 0  # the counter uses the first pair of readers
WINDOW = 1


class FolderTaken(RuntimeError):
    """Another simulation works in the same folder."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to play. ``folder`` keeps database, terminals and logs; its old terminals and database are replaced."""

    seed: int
    cards: int
    taps: int
    readers: ReaderKind
    vault: str
    folder: Path
    administrator_url: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """The day is over, closed, and settled on the morning after; the services still run. ``window`` is clearing's view of the
    window as it was closed."""

    order: Order
    services: Services
    diary: Diary
    window: dict[str, Any]
    day_statement: bytes
    audit: Audit
    money: Settled
    apdus: int
    terminals: int
    clerk: Clerk


@contextmanager
def played(order: Order, progress: Progress) -> Iterator[Played]:
    """Play the day; at the end of the block the services stop. Raises ``OfficeRefused``, ``FolderTaken``,
    ``DaemonUnavailable`` and ``ServiceFailed``."""
    clock = CityClock(datetime.combine(DAY, OPENING, BUSINESS_ZONE))
    with ExitStack() as stack:
        _take(order.folder, stack)
        keys_in(order.folder).make_test_key(order.seed)
        with progress.step("database and services"):
            services = stack.enter_context(
                running_services(
                    order.folder, vault=order.vault, administrator_url=order.administrator_url, begins=clock.now
                )
            )
        city = City(order, services, clock, stack.enter_context(readers(order.readers)), progress)
        cards = city.issue()
        units = stack.enter_context(city.terminals())
        diary = city.live(cards, units)
        clock.now = max(clock.now, datetime.combine(DAY, CLOSING, BUSINESS_ZONE))
        window, day_statement = city.close()
        with progress.step("audit of every card"):
            books = asyncio.run(read_books(services.reader, order.folder / "clearing" / "results"))
            by_name = {f"{ISSUER.hex().upper()}:{card.serial}": card.chip for card in cards}
            audited = audit(by_name, books)
        money = city.settle()
        clerk = stack.enter_context(city.sign_in("clearing", "clearing-clerk"))
        apdus = sum(chip.apdus for chip in city.chips)
        yield Played(order, services, diary, window, day_statement, audited, money, apdus, len(units), clerk)


def _take(folder: Path, stack: ExitStack) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lock = stack.enter_context((folder / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise FolderTaken(
            f"another simulation runs in {folder}; stop it, or set CITYCARD_DATA_FOLDER to another folder"
        ) from None
    shutil.rmtree(folder / "terminals", ignore_errors=True)


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """``serial``: 0x15[10..19], upper-case hex."""

    chip: Witness
    serial: str


class City:
    """The steps of the day; each leaves issuing and clearing in the state that the next one needs."""

    def __init__(
        self, order: Order, services: Services, clock: CityClock, city_readers: Readers, progress: Progress
    ) -> None:
        self._order = order
        self._services = services
        self._clock = clock
        self._readers = city_readers
        self._progress = progress
        self._factory = Factory(order.seed)
        self._people: list[Citizen] = list(citizens(order.cards, random=self._random("people"), on=DAY))
        self._issued: list[IssuedCard] = []
        self.chips: list[Witness] = []

    @contextmanager
    def sign_in(self, service: str, name: str) -> Iterator[Clerk]:
        passwords = {name: account.password for name, account in ISSUING_ACCOUNTS.items()} | dict(CLEARING_ACCOUNTS)
        with signed_in(self._clock, self._services.urls[service], name, passwords[name]) as clerk:
            yield clerk

    def issue(self) -> list[IssuedCard]:
        """Citizens registered, their cards personalised, read back, handed over."""
        with self.sign_in("issuing", "issuing-clerk") as clerk, self.sign_in("issuing", "issuing-approver") as approver:
            with self._progress.step("register, applications and approvals"):
                offices.apply_for_all(clerk, approver, self._people, self._clock.now)
            chips = self._delivered(approver, "CARDS-1", BlankKind.CARD, CARD_CHIPS, len(self._people))
            results = self._personalised(clerk, "cards", chips)
            serials = [result.serial.hex().upper() for result in results if result.serial]
            clerk.post("/cards/activations", {"serials": serials})
        self._issued = [IssuedCard(chip, serial) for chip, serial in zip(chips, serials, strict=True)]
        return self._issued

    @contextmanager
    def terminals(self) -> Iterator[list[Unit]]:
        """PSAMs personalised and bound, terminals invited and enrolled."""
        where = places(self._stations())
        with self.sign_in("issuing", "issuing-clerk") as clerk, self.sign_in("issuing", "issuing-approver") as approver:
            sams = self._sams(clerk, approver, where)
            for place, sam in zip(where, sams, strict=True):
                binding = {"device": place.device, "operator": place.operator}
                approver.post(f"/sams/{sam.serial.hex().upper()}/binding", binding)
        self._pull_feed()
        with self.sign_in("clearing", "clearing-clerk") as steward:
            codes = [offices.invite(steward, place) for place in where]
        with ExitStack() as stack:
            with self._progress.step("terminals enrolled"):
                units = stack.enter_context(
                    enrolled(
                        self._order.folder / "terminals",
                        list(zip(where, sams, codes, strict=True)),
                        seed=self._order.seed,
                        clearing_url=self._services.urls["clearing"],
                        clock=self._clock,
                        readers=self._readers,
                    )
                )
            yield units

    def live(self, cards: Sequence[IssuedCard], units: Sequence[Unit]) -> Diary:
        """The plan of the day, played."""
        kinds = Counter(unit.place.kind for unit in units)
        insured = [n for n, p in enumerate(self._people) if offices.insured_class_of(p, self._clock.now) != "none"]
        extent = Extent(
            people=len(self._people),
            taps=self._order.taps,
            insured=insured,
            vehicles=kinds[DeviceKind.VALIDATOR],
            gates=kinds[DeviceKind.GATE],
            desks=kinds[DeviceKind.TOPUP],
            hospitals=kinds[DeviceKind.HOSPITAL],
        )
        plan = plan_day(DAY, extent, random=self._random("plan"))
        day = CityDay(
            cards=[card.chip for card in cards],
            units=units,
            readers=self._readers,
            clock=self._clock,
            random=self._random("charges"),
            report_loss=self._report_loss,
        )
        for _ in self._progress.over("loads, taps and visits", day.play(plan), len(plan)):
            pass
        return day.diary

    def close(self) -> tuple[dict[str, Any], bytes]:
        """The window closed by two persons; clearing's view of it and the day's statement (CSV)."""
        with self._progress.step("window closed by two persons"), self.sign_in("clearing", "clearing-clerk") as clerk:
            clerk.post(f"/windows/{WINDOW}/closing")
            with self.sign_in("clearing", "clearing-approver") as approver:
                view = approver.post(f"/windows/{WINDOW}/approval")
            return view, clerk.get(f"/windows/{WINDOW}/statement.csv").content

    def settle(self) -> Settled:
        """The morning after: calls, payments and statements, until every book is settled."""
        self._clock.now = datetime.combine(SETTLEMENT_DAY, MORNING, BUSINESS_ZONE)
        insured = sum(offices.insured_class_of(person, self._clock.now) != "none" for person in self._people)
        with (
            self._progress.step("settled through the bank"),
            self.sign_in("clearing", "clearing-clerk") as clerk,
            self.sign_in("clearing", "clearing-approver") as approver,
        ):
            return settle(clerk, approver, window=WINDOW, day=SETTLEMENT_DAY, insured={FUND: insured})

    def _delivered(self, approver: Clerk, delivery: str, kind: BlankKind, form: int, count: int) -> list[Witness]:
        first = len(self.chips)
        chips = [self._factory.chip(form, first + number) for number in range(count)]
        self.chips += chips
        offices.deliver(approver, delivery, kind, [chip.atr[-8:] for chip in chips])
        return chips

    def _personalised(self, clerk: Clerk, what: str, chips: Sequence[Witness]) -> list[Result]:
        results = []
        with offices.at_the_counter(clerk) as counter:
            for chip in self._progress.over(f"{what} personalised and read back", iter(chips), len(chips)):
                result = counter.personalise(self._readers.field(COUNTER, chip))
                if result.outcome is not Outcome.PERSONALISED:
                    raise OfficeRefused(f"{what}: {result.outcome} {result.reason} {result.detail}")
                results.append(result)
        return results

    def _sams(self, clerk: Clerk, approver: Clerk, where: Sequence[Place]) -> list[Sam]:
        hospitals = sum(place.kind is DeviceKind.HOSPITAL for place in where)
        others = len(where) - hospitals
        chips = self._delivered(approver, "SAMS-1", BlankKind.TRANSIT_SAM, SAM_CHIPS, others)
        chips += self._delivered(approver, "SAMS-2", BlankKind.HOSPITAL_SAM, SAM_CHIPS, hospitals)
        results = self._personalised(clerk, "PSAMs", chips)
        return [
            Sam(chip, result.serial or b"", result.terminal_number or b"")
            for chip, result in zip(chips, results, strict=True)
        ]

    def _stations(self) -> tuple[str, ...]:
        codes = [section["from_station"] for section in demonstration_document()["sections"]]
        return tuple(sorted(self._random("stations").sample(sorted(set(codes)), METRO_STATIONS)))

    def _report_loss(self, person: int) -> None:
        with self.sign_in("issuing", "issuing-clerk") as clerk:
            clerk.post(f"/cards/{self._issued[person].serial}/loss")
        self._pull_feed()

    def _pull_feed(self) -> None:
        offices.pull_feed(self._clock, self._services.urls["clearing"], self._services.token)

    def _random(self, purpose: str) -> Random:
        """A source of its own for each purpose, so that more taps do not make other people."""
        return Random(f"{self._order.seed}:{purpose}")
