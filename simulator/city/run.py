"""A whole city's day: from blank chips and an empty database to the closed window."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import threading
import time as time_
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx

from card_os.wire.dialogue import HostSilent
from clearing.demonstration import ACCOUNTS as CLEARING_ACCOUNTS
from clearing.devices.parameter_keys import keys_in
from issuing.counter.messages import Outcome, Result
from issuing.demonstration import ACCOUNTS as ISSUING_ACCOUNTS
from issuing.stock.rules import BlankKind
from rulebook.calendar import BUSINESS_ZONE, calendar_named
from rulebook.messages.devices import DeviceKind
from rulebook.tariff.demonstration import demonstration_document
from simulator.city import offices, rough
from simulator.city.auditor import Audit, Books, audit, read_books
from simulator.city.chips import CARD_CHIPS, SAM_CHIPS, Factory
from simulator.city.crossing import Crossed, Crossing
from simulator.city.day import CityDay, Diary
from simulator.city.fleet import ParameterReader, Sam, Unit, enrolled
from simulator.city.money import Settled, demonstration_bank, settle
from simulator.city.offices import CityClock, Clerk, OfficeRefused, signed_in
from simulator.city.people import Citizen, citizens
from simulator.city.places import DAY, FUND, ISSUER, METRO_STATIONS, Place, places
from simulator.city.plan import PULLED_SHARE, Extent, plan_day
from simulator.city.progress import Progress
from simulator.city.readers import ReaderKind, Readers, readers
from simulator.city.rough import LOST_SHARE, LossyLine
from simulator.city.witness import Witness
from simulator.services import Services, running_services
from terminals.validator import Validator

OPENING, CLOSING, MORNING = time(5, 0), time(23, 30), time(10, 0)
COUNTER = 0  # the counter uses the first pair of readers
LOSS_EVERY = 5  # days: somebody's card is reported lost
CALENDAR = calendar_named("china")


class FolderTaken(RuntimeError):
    """Another simulation works in the same folder."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to play: ``taps`` on each of ``days``. ``folder`` keeps database, terminals and logs; its old terminals and database
    are replaced. ``rough``: with everything that goes wrong (``simulator.city.rough``)."""

    seed: int
    cards: int
    taps: int
    readers: ReaderKind
    vault: str
    folder: Path
    administrator_url: str = ""
    days: int = 1
    rough: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """A day's window as it was closed: clearing's view of it, and what the auditor found then."""

    window: dict[str, Any]
    audit: Audit


@dataclass(frozen=True, slots=True)
class Played:
    """The days are over, closed, and settled on the mornings after; the services still run. ``day_statement`` is of the last
    window; ``money`` of every settlement."""

    order: Order
    services: Services
    diary: Diary
    windows: tuple[Closed, ...]
    day_statement: bytes
    money: tuple[Settled, ...]
    apdus: int
    terminals: int
    clerk: Clerk
    answers_lost: int
    crossed: Crossed

    @property
    def window(self) -> dict[str, Any]:
        """The last one."""
        return self.windows[-1].window

    @property
    def audit(self) -> Audit:
        """After the last one."""
        return self.windows[-1].audit


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
        windows = []
        for number in range(1, order.days + 1):
            city.live(cards, units, number)
            city.cross(cards, units)
            window, day_statement = city.close(number)
            windows.append(Closed(window, city.audited(cards)))
            city.exchange()
        crossed = city.crossed(cards, windows[-1].audit)
        city.settle_the_rest()
        city.morning(units)
        clerk = stack.enter_context(city.sign_in("clearing", "clearing-clerk"))
        yield Played(
            order,
            services,
            city.diary,
            tuple(windows),
            day_statement,
            tuple(city.money),
            sum(chip.apdus for chip in city.chips),
            len(units),
            clerk,
            city.line.lost,
            crossed,
        )


def _day(number: int) -> date:
    return DAY + timedelta(days=number - 1)


def _until_it_breaks(clerk: Clerk, path: str) -> None:
    with suppress(httpx.TransportError):
        clerk.post(path)


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
    """The steps of the days; each leaves issuing and clearing in the state that the next one needs."""

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
        self._bank = demonstration_bank()
        self._due: list[tuple[date, int]] = []  # the day on which a closed window is settled
        self._chance = self._random("chance")
        losses = min(len(self._people), 1 + (order.days - 1) // LOSS_EVERY)
        self._losses = self._random("losses").sample(range(len(self._people)), losses)
        self._crossing = Crossing.of(order.seed, order.folder)
        self.line = LossyLine(self._random("line"), LOST_SHARE if order.rough else 0.0)
        self.diary = Diary()
        self.money: list[Settled] = []
        self.chips: list[Witness] = []

    @contextmanager
    def sign_in(self, service: str, name: str) -> Iterator[Clerk]:
        account = {**ISSUING_ACCOUNTS, **CLEARING_ACCOUNTS}[name]
        with signed_in(self._clock, self._services.urls[service], name, account.password) as clerk:
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
                        line=self.line,
                    )
                )
            yield units

    def live(self, cards: Sequence[IssuedCard], units: Sequence[Unit], number: int) -> None:
        """The plan of day ``number``, played; what is due is settled in the course of it."""
        today = _day(number)
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
        plan = plan_day(
            today,
            extent,
            random=self._random(f"plan:{number}"),
            lost=None if (number - 1) % LOSS_EVERY else self._losses.pop() if self._losses else None,
            pulled_share=rough.PULLED_SHARE if self._order.rough else PULLED_SHARE,
        )
        day = CityDay(
            cards=[card.chip for card in cards],
            units=units,
            readers=self._readers,
            clock=self._clock,
            random=self._random(f"charges:{number}"),
            report_loss=self._report_loss,
            diary=self.diary,
            has_network=lambda: not self._order.rough or self._chance.random() >= rough.OFFLINE_SHARE,
        )
        what = f"loads, taps and visits{self._of(number)}"
        with self.line.at_work():
            for _ in self._progress.over(what, day.play(plan), len(plan)):
                if (
                    self._due
                    and self._due[0][0] <= today
                    and self._clock.now.astimezone(BUSINESS_ZONE).time() >= MORNING
                ):
                    with self.line.resting():
                        self._settle_due(today)
        if number == self._order.days:
            day.catch_up()
        day.reconcile(today)
        self._clock.now = max(self._clock.now, datetime.combine(today, CLOSING, BUSINESS_ZONE))

    def cross(self, cards: Sequence[IssuedCard], units: Sequence[Unit]) -> None:
        """The evening's rides of visitors here and of our cards in the other city, whose office claims them at once."""
        with self._progress.step("rides in the other city"):
            self.diary.batches += self._crossing.ride_here(units, self._readers, self._clock)
            rules = next(unit.machine.rules for unit in units if isinstance(unit.machine, Validator))
            self._crossing.ride_there([card.chip for card in cards], rules, self._clock)
            self._crossing.claim(self._services.urls["clearing"], self._clock, late=1)

    def exchange(self) -> None:
        """What the closed window claims is answered over there, and what came too late there is claimed."""
        with self._progress.step("exchange with the other city"), self.sign_in("clearing", "clearing-clerk") as clerk:
            clerk.post("/exchange/packages")
            self._crossing.answer(self._services.urls["clearing"], self._clock)
            self._crossing.claim(self._services.urls["clearing"], self._clock)

    def crossed(self, cards: Sequence[IssuedCard], before: Audit) -> Crossed:
        """``before``: what the auditor found before the last exchange."""
        return Crossed(self._crossing, self._books().other_cities, before, self.audited(cards))

    def close(self, number: int) -> tuple[dict[str, Any], bytes]:
        """The window closed by two persons; clearing's view of it and the day's statement (CSV)."""
        self._due.append((CALENDAR.working_days_after(_day(number), 1), number))
        with self._progress.step(f"window closed by two persons{self._of(number)}"):
            if self._order.rough and self._chance.random() < rough.KILLED_SHARE:
                self._kill_while_closing(number)
            with self.sign_in("clearing", "clearing-clerk") as clerk:
                if clerk.get(f"/windows/{number}").json()["state"] != "proposed":
                    clerk.post(f"/windows/{number}/closing")
                with self.sign_in("clearing", "clearing-approver") as approver:
                    view = approver.post(f"/windows/{number}/approval")
                return view, clerk.get(f"/windows/{number}/statement.csv").content

    def _kill_while_closing(self, number: int) -> None:
        """At whatever point: what was begun is gone on with."""
        with self.sign_in("clearing", "clearing-clerk") as clerk:
            closing = threading.Thread(target=_until_it_breaks, args=(clerk, f"/windows/{number}/closing"))
            closing.start()
            time_.sleep(self._chance.random())
            self._services.kill_and_restart("clearing")
            closing.join()

    def audited(self, cards: Sequence[IssuedCard]) -> Audit:
        with self._progress.step("audit of every card"):
            return audit({f"{ISSUER.hex().upper()}:{card.serial}": card.chip for card in cards}, self._books())

    def _books(self) -> Books:
        return asyncio.run(read_books(self._services.reader, self._order.folder / "clearing" / "results"))

    def settle_the_rest(self) -> None:
        """On the mornings after the last day."""
        while self._due:
            day = self._due[0][0]
            self._clock.now = datetime.combine(day, MORNING, BUSINESS_ZONE)
            self._settle_due(day)

    def _settle_due(self, day: date) -> None:
        """Calls, payments and statements, until every book of the windows due is settled."""
        windows = [number for due, number in self._due if due <= day]
        self._due = self._due[len(windows) :]
        insured = sum(offices.insured_class_of(person, self._clock.now) != "none" for person in self._people)
        first = {} if self.money else {FUND: insured}
        with (
            self._progress.step("settled through the bank"),
            self.sign_in("clearing", "clearing-clerk") as clerk,
            self.sign_in("clearing", "clearing-approver") as approver,
        ):
            self.money.append(settle(clerk, approver, self._bank, windows=windows, day=day, insured=first))

    def _of(self, number: int) -> str:
        return f", day {number}" if self._order.days > 1 else ""

    def morning(self, units: Sequence[Unit]) -> None:
        """The terminals are switched on again, ask what there is to know, and say how they are."""
        parameters = ParameterReader(self._clock)
        for unit in units:
            with suppress(HostSilent):
                unit.report(parameters.fetched(unit.uplink, unit.parameters))

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
