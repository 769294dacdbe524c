"""The city's terminals: each with its folder, key, journal, PSAM and line to clearing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias

import httpx

from hardware.readers.connection import Connection
from issuing.products import PRODUCTS
from rulebook.deny_list import DenyList
from rulebook.messages.devices import DeviceKind
from rulebook.money import Amount
from rulebook.tariff import Tariff, load_tariff
from simulator.city import neighbour_cards
from simulator.city.offices import CityClock
from simulator.city.places import CITY, INSTITUTIONS, ISSUER, REGION, Place
from simulator.city.readers import Readers
from simulator.city.rough import LossyLine
from simulator.city.witness import Witness
from terminals.dialogues.context import Rules, Terminal
from terminals.gate import Gate
from terminals.hospital import HospitalDesk, HospitalSetup, VisitStore
from terminals.journal import Journal
from terminals.topup import Desk, TopUpDesk
from terminals.uplink import DeviceKey, Kept, ParameterStore, Uplink, health
from terminals.validator import Validator

SOFTWARE_VERSION = 1
DEPARTMENT = ("A03", "内科")

Machine: TypeAlias = Validator | Gate | TopUpDesk | HospitalDesk


@dataclass(frozen=True, slots=True)
class Sam:
    """A personalised PSAM: the chip, and what issuing answered of it."""

    chip: Witness
    serial: bytes
    terminal_number: bytes


@dataclass(slots=True)
class Unit:
    """One terminal at work. ``number`` is its place among the city's terminals; a hospital desk has no journal."""

    number: int
    place: Place
    sam: Sam
    home: Path
    uplink: Uplink
    parameters: ParameterStore
    journal: Journal | None
    machine: Machine

    def learn(self, rules: Rules) -> None:
        """From now on work by ``rules``."""
        if isinstance(self.machine, Validator | Gate):
            self.machine.rules = rules

    def upload(self) -> int:
        """Send what the journal has; the number of batches."""
        return 0 if self.journal is None else self.uplink.upload(self.journal)

    def report(self, kept: Kept) -> None:
        """Tell clearing how the terminal is."""
        self.uplink.report(health(kept, self.journal, self.home, software_version=str(SOFTWARE_VERSION)))


class ParameterReader:
    """What clearing tells a terminal, or told it last, with the tariff laid out once for all terminals of this process."""

    def __init__(self, clock: CityClock) -> None:
        self._clock = clock
        self._tariffs: dict[int, Tariff] = {}

    def fetched(self, uplink: Uplink, store: ParameterStore) -> Kept:
        return store.current(uplink, self._clock.now)

    def rules(self, kept: Kept) -> Rules:
        version = kept.parameters.tariff_version
        if version not in self._tariffs:
            self._tariffs[version] = load_tariff(kept.parameters.tariff)
        deny_list = DenyList.from_parameters(kept.parameters, received_at=kept.received_at)
        return Rules(self._tariffs[version], deny_list)


@contextmanager
def enrolled(
    folder: Path,
    equipment: Sequence[tuple[Place, Sam, str]],
    *,
    seed: int,
    clearing_url: str,
    clock: CityClock,
    readers: Readers,
    line: LossyLine,
) -> Iterator[list[Unit]]:
    """Terminals enrolled and ready. ``equipment``: where, with which PSAM, with which enrolment code."""
    parameter_reader = ParameterReader(clock)
    with ExitStack() as stack:
        client = stack.enter_context(clock.client(transport=line))
        units = []
        for number, (place, sam, code) in enumerate(equipment):
            home = folder / place.device
            home.mkdir(parents=True)
            store = ParameterStore(home, place.device)
            uplink = _enrol(home, store, sam, code, seed, clearing_url, client)
            journal = None
            if place.kind is not DeviceKind.HOSPITAL:
                journal = stack.enter_context(Journal(home / "journal.sqlite"))
            slot = readers.sam_slot(number, sam.chip)
            kept = parameter_reader.fetched(uplink, store)
            machine = _machine(stack, home, place, sam, slot, uplink, journal, parameter_reader.rules(kept))
            units.append(Unit(number, place, sam, home, uplink, store, journal, machine))
            units[-1].report(kept)
        yield units


def _enrol(
    home: Path, store: ParameterStore, sam: Sam, code: str, seed: int, clearing_url: str, client: httpx.Client
) -> Uplink:
    random = Random(f"{seed}:{home.name}").randbytes  # a real device asks its operating system
    uplink = Uplink(clearing_url, DeviceKey.open(home, home.name, random=random), client)
    store.pin(uplink.enrol(code, sam_serial=sam.serial, terminal_number=sam.terminal_number))
    return uplink


def _machine(
    stack: ExitStack,
    home: Path,
    place: Place,
    sam: Sam,
    slot: Connection,
    uplink: Uplink,
    journal: Journal | None,
    rules: Rules,
) -> Machine:
    if place.kind is DeviceKind.HOSPITAL:
        setup = HospitalSetup(
            device=place.device, institution=place.operator, number=1, region=REGION, department=DEPARTMENT
        )
        store = VisitStore(home / "visits.sqlite")
        stack.callback(store.close)
        return HospitalDesk(setup, store=store, host=uplink.host, sam=slot)
    assert journal is not None  # only a hospital desk has none
    if place.kind is DeviceKind.TOPUP:
        return TopUpDesk(_desk(place, sam), journal=journal, host=uplink.host)
    point = Validator if place.kind is DeviceKind.VALIDATOR else Gate
    return point(_terminal(place), sam=slot, journal=journal, rules=rules)


def _desk(place: Place, sam: Sam) -> Desk:
    return Desk(
        device=place.device,
        terminal=sam.terminal_number,
        place=place.place,
        purse_limit=Amount(PRODUCTS["citizen"].purse_limit_minor),
        software_version=SOFTWARE_VERSION,
    )


def _terminal(place: Place) -> Terminal:
    on_a_bus = place.kind is DeviceKind.VALIDATOR
    return Terminal(
        device=place.device,
        kind=place.kind,
        line=place.line,
        place=place.place,
        city=CITY,
        institution=INSTITUTIONS[place.operator],
        issuers=frozenset({ISSUER, neighbour_cards.ISSUER}),
        software_version=SOFTWARE_VERSION,
        trip="1" if on_a_bus else "",
        shift="1" if on_a_bus else "",
    )
