"""Records of taps and loads as a terminal would write them, many at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from card_os.crypto.purse import TransactionType
from rulebook.record import Event, Kind, Outcome, Verdict
from rulebook.record.columns import RECORD_DTYPE, Rows
from simulator.city.bulk import processes
from simulator.city.bulk.processes import LENGTH, Octets
from simulator.city.bulk.purses import Cards, Purses
from simulator.city.bulk.rides import Numbers, Taps
from simulator.city.bulk.town import Town, serials, texts
from simulator.city.places import CITY, ISSUER

LIST_VERSION = 1
SOFTWARE_VERSION = 1
CLOCK_SLIP = 4 * 3600
"""Seconds that a wrong clock jumps back by, at noon."""

_NOON = 12 * 3600


@dataclass(frozen=True, slots=True)
class Loads:
    """Top-ups of the morning. Each is the card's first."""

    card: Numbers
    at: Numbers
    device: Numbers


@dataclass(frozen=True, slots=True)
class Fields:
    """Of every device: what it writes into its records, and whether its clock jumps back at noon."""

    device: Octets
    line: Octets
    place: Octets
    terminal: Octets
    slips: NDArray[np.bool_]

    @classmethod
    def of(cls, town: Town, slips: NDArray[np.bool_]) -> Fields:
        devices = town.devices
        return cls(
            texts([device.name for device in devices], 12),
            texts([device.line for device in devices], 8),
            texts([device.place for device in devices], 12),
            np.frombuffer(b"".join(device.terminal for device in devices), np.uint8).reshape(-1, 6),
            slips,
        )

    def clock(self, device: Numbers, at: Numbers) -> Numbers:
        """What each device's clock shows."""
        return at - np.where(self.slips[device] & (at >= _NOON), CLOCK_SLIP, 0)


@dataclass(frozen=True, slots=True)
class Recorder:
    """``classes``: of each card its place in ``RiderClass``."""

    taps: Taps
    purses: Purses
    cards: Cards
    loads: Loads
    classes: NDArray[np.uint8]
    fields: Fields
    tariff_version: int

    def taps_rows(self, which: Numbers) -> Rows:
        """A record for each of these taps, as the outcome when all goes well; journal sequences, PSAM number and TAC are still
        missing."""
        taps, purses = self.taps, self.purses
        rows = self._rows(taps.card[which], taps.device[which], taps.at[which])
        rows["event"] = taps.event[which]
        bus = np.flatnonzero(taps.event[which] == Event.RIDE)
        for name in ("trip", "shift"):
            rows[name][bus] = np.frombuffer(b"1".ljust(8, b"\x00"), "V8")
        put(rows, "line", self.fields.line[taps.device[which]])
        rows["transaction_type"] = TransactionType.COMPOUND
        rows["amount_minor"], rows["balance_before_minor"] = purses.amount[which], purses.balance[which]
        rows["card_sequence"] = which - taps.first[which]
        rows["mac2_verdict"] = Verdict.RIGHT
        put(rows, "capp_before", self._processes(taps.metro[which], which))
        put(
            rows,
            "capp_after",
            self._processes(np.where(taps.event[which] == Event.RIDE, taps.metro[which], which), which),
        )
        rows["tariff_version"], rows["list_version"] = self.tariff_version, LIST_VERSION
        traces = np.frombuffer(b"".join(purses.traces), np.uint8).reshape(len(purses.traces), -1)
        put(rows, "trace", traces[purses.trace[which]])
        return rows

    def loads_rows(self, which: Numbers) -> Rows:
        """The same of loads."""
        loads = self.loads
        card = loads.card[which]
        rows = self._rows(card, loads.device[which], loads.at[which])
        rows["event"], rows["transaction_type"] = Event.LOAD, TransactionType.LOAD
        rows["amount_minor"], rows["balance_before_minor"] = self.cards.load[card], self.cards.balance[card]
        return rows

    def _rows(self, card: Numbers, device: Numbers, at: Numbers) -> Rows:
        rows = np.zeros(len(card), dtype=RECORD_DTYPE)
        rows["version"], rows["kind"], rows["outcome"] = 1, Kind.OUTCOME, Outcome.DONE
        put(rows, "device", self.fields.device[device])
        put(rows, "place", self.fields.place[device])
        rows["issuer"] = np.frombuffer(ISSUER, "V8")
        put(rows, "serial", serials(card))
        rows["city"] = np.frombuffer(bytes.fromhex(CITY), "V2")
        rows["card_class"] = self.classes[card] + 1
        rows["key_version"], rows["purse"] = 1, 2
        put(rows, "sam_terminal", self.fields.terminal[device])
        moments = processes.moments(self.fields.clock(device, at))
        put(rows, "date", moments[:, :4])
        put(rows, "time", moments[:, 4:])
        rows["software_version"] = SOFTWARE_VERSION
        return rows

    def _processes(self, metro: Numbers, which: Numbers) -> Octets:
        """File 1A after the metro taps ``metro``; where that is -1, as it was in the morning. ``which``: their cards' taps."""
        octets = np.empty((len(metro), LENGTH), dtype=np.uint8)
        fresh, tapped = np.flatnonzero(metro < 0), np.flatnonzero(metro >= 0)
        card = self.taps.card[which[fresh]]
        morning = np.tile(processes.FRESH, (len(fresh), 1))
        processes.put_month(morning, self.cards.month_written[card], self.cards.paid[card])
        octets[fresh], octets[tapped] = morning, self._after(metro[tapped])
        return octets

    def _after(self, metro: Numbers) -> Octets:
        taps, purses = self.taps, self.purses
        left = taps.event[metro] == Event.EXIT
        entry = np.where(left, taps.metro[metro], metro)
        octets = np.where(left[:, np.newaxis], processes.EXITED, processes.ENTERED)
        self._put_tap(octets, "entry", entry)
        processes.put_number(octets, "entry_balance_minor", purses.balance[entry])
        paid = purses.paid[metro] + np.where(left, purses.counted[metro], 0)
        processes.put_month(octets, purses.month_written[metro] | left, paid)
        gone = np.flatnonzero(left)
        exits = octets[gone]
        self._put_tap(exits, "exit", metro[gone])
        processes.put_number(exits, "exit_amount_minor", purses.amount[metro[gone]])
        octets[gone] = exits
        processes.seal(octets)
        return octets

    def _put_tap(self, octets: Octets, what: str, tap: Numbers) -> None:
        device = self.taps.device[tap]
        processes.put(octets, f"{what}_station", self.fields.place[device][:, :8])
        processes.put(octets, f"{what}_device", self.fields.terminal[device])
        processes.put(octets, f"{what}_time", processes.moments(self.taps.at[tap]))


def put(rows: Rows, name: str, octets: Octets) -> None:
    """Bytes of a field, a row of them for each record."""
    rows[name] = np.ascontiguousarray(octets).view(RECORD_DTYPE[name]).reshape(len(rows))
