"""What happens between the two cities on the evening of the day: visitors ride here, some of ours ride there, and both
clearings settle it by exchange files."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from clearing.devices.identity import SIGNATURE_HEADER, signed_request
from clearing.exchange.keys import CentreKey
from clearing.exchange.packing import Claimed
from clearing.exchange.signing import CENTRE_HEADER, MESSAGES_PATH
from clearing.verification.joining import join
from hardware.readers.connection import Connection
from rulebook.calendar import BUSINESS_ZONE
from rulebook.deny_list import DenyList
from rulebook.messages.devices import DeviceKind
from simulator.city import neighbour_cards as foreign
from simulator.city.auditor import Audit, ItemKind
from simulator.city.fleet import SOFTWARE_VERSION, Unit
from simulator.city.neighbour import CENTRE, KEY, NAME, Office
from simulator.city.offices import CityClock, OfficeRefused
from simulator.city.places import ISSUER
from simulator.city.readers import Readers
from simulator.city.witness import Witness
from terminals.dialogues.context import Rules, Terminal
from terminals.dialogues.purchase import Ending
from terminals.journal import Journal
from terminals.validator import Validator

VISITORS, RIDES_EACH, TRAVELLERS = 3, 2, 4
VISITORS_MONEY_MINOR = 5_000
OPERATOR = "n-bus"
_BETWEEN_RIDES = timedelta(seconds=20)
_INSTITUTION = bytes.fromhex("01992001FFFFFFFF")  # ours, as those of ``places``


@dataclass(slots=True)
class Crossing:
    """``visits``: paid rides of visitors here; ``travels``: of our cards there. ``office`` is the neighbour's, ``visitors`` its
    cards, ``sam`` that of its bus, whose journal lies in ``folder``. ``travelled``: all that its bus has taken of ours."""

    office: Office
    visitors: Sequence[Witness]
    sam: Witness
    folder: Path
    visits: int = 0
    travels: int = 0
    travelled: list[Claimed] = field(default_factory=list)
    _claimed: int = 0

    @classmethod
    def of(cls, seed: int, folder: Path) -> Crossing:
        """``folder`` is the simulation's."""
        facts = [foreign.card_fact(number) for number in range(1, VISITORS + 1)]
        visitors = [foreign.visitor(number, seed=seed) for number in range(1, VISITORS + 1)]
        our_key = CentreKey.open(folder / "clearing").public
        office = Office(our_key, {(fact.issuer, fact.serial): fact for fact in facts})
        return cls(office, visitors, foreign.bus_sam(seed=seed), folder / "terminals" / "neighbour")

    def ride_here(self, units: Sequence[Unit], readers: Readers, clock: CityClock) -> int:
        """Visitors on our buses; the number of batches that the buses then sent."""
        buses = [unit for unit in units if unit.place.kind is DeviceKind.VALIDATOR]
        used = [buses[number % len(buses)] for number in range(VISITORS)]
        for number, (card, unit) in enumerate(zip(self.visitors, used, strict=True), start=1):
            if card.balance_minor < VISITORS_MONEY_MINOR:
                foreign.load(card, number, VISITORS_MONEY_MINOR, clock.now)
            for _ in range(RIDES_EACH):
                clock.now += _BETWEEN_RIDES
                assert isinstance(unit.machine, Validator)
                self.visits += unit.machine.tap(readers.field(unit.number, card), clock.now).ending is Ending.PAID
        return sum(unit.upload() for unit in used)

    def ride_there(self, cards: Sequence[Witness], rules: Rules, clock: CityClock) -> None:
        """Our cards on the neighbour's bus, in order until enough of them have paid."""
        self.folder.mkdir(parents=True, exist_ok=True)
        paid = 0
        with Journal(self.folder / "journal.sqlite") as journal:
            bus = _bus(self.sam, journal, Rules(rules.tariff, DenyList(0, clock.now)))
            for card in cards:
                if paid == TRAVELLERS:
                    break
                clock.now += _BETWEEN_RIDES
                card.reset()
                paid += bus.tap(card, clock.now).ending is Ending.PAID
            transactions = join(journal.records(1, journal.last_sequence))
        self.travels += paid
        claims = [claim for transaction in transactions for claim in transaction.claims()]
        known = {each.claim for each in self.travelled}
        day = clock.now.astimezone(BUSINESS_ZONE).date()
        self.travelled += [Claimed(claim, OPERATOR, day) for claim in claims if claim not in known]

    def claim(self, clearing_url: str, clock: CityClock, *, late: int = 0) -> None:
        """The neighbour's packages of what it has not claimed yet, answered here; but for the last ``late`` rides, whose
        records have not reached its office. Raises ``OfficeRefused`` and ``NotAsAgreed``."""
        end = max(self._claimed, len(self.travelled) - late)
        new, self._claimed = self.travelled[self._claimed : end], end
        before = set(self.office.claimed)
        with clock.client(clearing_url) as client:
            for content in self.office.claim(new, cleared_on=clock.now.astimezone(BUSINESS_ZONE).date()):
                self._post(client, content)
            for number in sorted(set(self.office.claimed) - before):
                self.office.take_answer(*_fetched(client, "accounting", number))

    def answer(self, clearing_url: str, clock: CityClock) -> None:
        """Our packages, answered there. Raises ``OfficeRefused`` and ``NotAsAgreed``."""
        with clock.client(clearing_url) as client:
            for number in _asked(client, f"{MESSAGES_PATH}/package").json():
                if number not in self.office.answered:
                    self._post(client, self.office.answer(*_fetched(client, "package", number), now=clock.now))

    @property
    def owed_minor(self) -> int:
        """What our city has owed the other one by its books, fen; below zero the other one owes."""
        return self.office.owed_minor - self.office.owes_minor

    def _post(self, client: httpx.Client, content: bytes) -> None:
        signature = _base64(self.office.sign(content))
        headers = {SIGNATURE_HEADER: signature, "Content-Type": "application/xml"}
        _good(client.post(MESSAGES_PATH, content=content, headers=headers))


@dataclass(frozen=True, slots=True)
class Crossed:
    """The last evening's end. ``ledger``: by participant, what by our ledger another city's claims come to above ours, fen.
    ``before`` and ``after`` the last exchange: what the auditor found."""

    crossing: Crossing
    ledger: Mapping[str, int]
    before: Audit
    after: Audit

    def differences(self) -> list[str]:
        """A sentence for each thing that is not as it should be: two books that differ, the last ride, which came late, that
        the auditor did not list until it had come, one that it lists still, a dispute."""
        office, booked = self.crossing.office, self.ledger.get(NAME, 0)
        travelled = [str(each.id) for each in self.crossing.travelled if each.claim.inputs.amount_minor]
        unlisted, left = {*travelled[-1:]} - _not_received(self.before), {*travelled} & _not_received(self.after)
        disputed = [
            result.disputed for result in (*office.answered.values(), *office.results.values()) if result.disputed
        ]
        checks = (
            (
                booked != self.crossing.owed_minor,
                f"{booked} fen by our ledger, {self.crossing.owed_minor} by its books",
            ),
            (bool(unlisted), f"not listed before the exchange: {', '.join(sorted(unlisted))}"),
            (bool(left), f"still listed: {', '.join(sorted(left))}"),
            (bool(disputed), f"disputed: {disputed}"),
        )
        return [f"{NAME}: {said}" for wrong, said in checks if wrong]


def _not_received(audit: Audit) -> set[str]:
    return {item.transaction for item in audit.items if item.kind is ItemKind.DEBIT_NOT_RECEIVED}


def _bus(sam: Connection, journal: Journal, rules: Rules) -> Validator:
    terminal = Terminal(
        device="N1-01",
        kind=DeviceKind.VALIDATOR,
        line="B101",
        place="N1-01",
        city=foreign.CITY,
        institution=_INSTITUTION,
        issuers=frozenset({ISSUER, foreign.ISSUER}),
        software_version=SOFTWARE_VERSION,
        trip="1",
        shift="1",
    )
    return Validator(terminal, sam=sam, journal=journal, rules=rules)


def _fetched(client: httpx.Client, kind: str, number: int) -> tuple[bytes, bytes]:
    """A message of our city and its signature."""
    response = _asked(client, f"{MESSAGES_PATH}/{kind}/{number}")
    return response.content, base64.b64decode(response.headers[SIGNATURE_HEADER])


def _asked(client: httpx.Client, path: str) -> httpx.Response:
    signature = _base64(KEY.sign(signed_request("GET", path, b"")))
    return _good(client.get(path, headers={CENTRE_HEADER: CENTRE.hex(), SIGNATURE_HEADER: signature}))


def _good(response: httpx.Response) -> httpx.Response:
    if not response.is_success:
        raise OfficeRefused(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")
    return response


def _base64(signature: bytes) -> str:
    return base64.b64encode(signature).decode()
