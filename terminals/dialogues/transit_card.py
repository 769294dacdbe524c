"""What a purchase has to know of the card before it prices."""

from __future__ import annotations

from dataclasses import dataclass

from card_os.profile.transit import (
    MANAGEMENT,
    PUBLIC_APPLICATION,
    TRANSIT_PROCESS,
    TRIP_RECORD,
    Management,
    PublicApplication,
    TransitProcess,
    TripRecord,
)
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.dialogue import Dialogue, ask_card

_RECORD_NOT_FOUND = 0x6A83
_BALANCE_BITS = 0x7FFFFFFF  # the top bit can be set and is no part of the value (standards.md §1.2)


class UnreadableCard(ValueError):
    """A file of the card holds what its layout does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitCard:
    """Files 15, 17, 1A record 1 (also as bytes) and the newest of 1E (None on a card that never travelled), balance in fen."""

    public: PublicApplication
    management: Management
    process: TransitProcess
    process_bytes: bytes
    last_trip: TripRecord | None
    balance_minor: int

    @property
    def issuer(self) -> bytes:
        """0x15[0..7]."""
        return self.public.issuer

    @property
    def serial(self) -> bytes:
        """0x15[10..19]."""
        return bytes.fromhex(self.public.serial)


def read_transit_card() -> Dialogue[TransitCard]:
    """Selects the transit application, which stays selected. Raises ``UnexpectedStatus`` and ``UnreadableCard``."""
    yield from ask_card(commands.select_name(names.TRANSIT_AID))
    public = yield from ask_card(commands.read_binary(names.SFI_PUBLIC))
    management = yield from ask_card(commands.read_binary(names.SFI_MANAGEMENT))
    process = yield from ask_card(commands.read_record(names.SFI_TRANSIT_PROCESS, 1))
    trip = yield from ask_card(commands.read_record(names.SFI_TRIP_LOG, 1), 0x9000, _RECORD_NOT_FOUND)
    balance = yield from ask_card(commands.get_balance())
    try:
        card = TransitCard(
            public=PUBLIC_APPLICATION.decode(public.data),
            management=MANAGEMENT.decode(management.data),
            process=TRANSIT_PROCESS.decode(process.data),
            process_bytes=process.data,
            last_trip=TRIP_RECORD.decode(trip.data) if trip.data else None,
            balance_minor=int.from_bytes(balance.data, "big") & _BALANCE_BITS,
        )
    except ValueError as problem:
        raise UnreadableCard(str(problem)) from problem
    if not (card.public.valid_from + card.public.valid_to).isdecimal():
        raise UnreadableCard(f"the dates in file 15 are {card.public.valid_from} and {card.public.valid_to}")
    return card
