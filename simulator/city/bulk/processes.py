"""File 1A of many cards: what each carries after its newest metro tap, as the gates write it."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess, TransitState
from simulator.city.places import CITY, DAY, INSTITUTIONS

Octets = NDArray[np.uint8]
Numbers = NDArray[np.int64]

LENGTH = TRANSIT_PROCESS.length
MONTH = bytes.fromhex(f"{DAY:%y%m}")
DATE = bytes.fromhex(f"{DAY:%Y%m%d}")
_CHECKED = slice(6, 124)  # as ``card_os.profile.transit.checksum``

_METRO = INSTITUTIONS["metro"]
_FRESH = TransitProcess()
_ENTERED = TransitProcess(state=TransitState.ENTERED, entry_city=CITY, entry_institution=_METRO)
_EXITED = replace(_ENTERED, state=TransitState.EXITED, exit_city=CITY, exit_institution=_METRO)
FRESH, ENTERED, EXITED = (np.frombuffer(TRANSIT_PROCESS.encode(one), np.uint8) for one in (_FRESH, _ENTERED, _EXITED))


def put(octets: Octets, name: str, values: Octets) -> None:
    """Into a field of every row of ``octets``; narrower values stand on the left."""
    start = TRANSIT_PROCESS.span(name).start
    octets[:, start : start + values.shape[1]] = values


def put_number(octets: Octets, name: str, values: Numbers) -> None:
    """Big-endian."""
    span = TRANSIT_PROCESS.span(name)
    width = span.stop - span.start
    octets[:, span] = values.astype(">i8").view(np.uint8).reshape(len(values), 8)[:, 8 - width :]


def put_month(octets: Octets, written: NDArray[np.bool_], paid: Numbers) -> None:
    month = np.frombuffer(MONTH, np.uint8)
    put(octets, "month", np.where(written[:, np.newaxis], month, np.zeros_like(month)))
    put_number(octets, "month_paid_minor", paid)


def moments(at: Numbers) -> Octets:
    """Seconds of the day as date and time, 7 bytes BCD each."""
    found = np.empty((len(at), 7), dtype=np.uint8)
    found[:, :4] = list(DATE)
    for column, part in enumerate((at // 3600, at // 60 % 60, at % 60), 4):
        found[:, column] = part // 10 << 4 | part % 10
    return found


def seal(octets: Octets) -> None:
    """The CRC of every row, as ``card_os.profile.transit.sealed``."""
    crc = np.full(len(octets), 0xFFFFFFFF, dtype=np.uint32)
    for column in octets[:, _CHECKED].T:
        crc = _TABLE[(crc ^ column) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    put_number(octets, "crc", (crc ^ np.uint32(0xFFFFFFFF)).astype(np.int64))


# Of CRC-32 (IEEE 802.3), byte by byte: ``zlib`` gives table[byte ^ FF] ^ FF000000.
_TABLE = np.array([zlib.crc32(bytes([byte ^ 0xFF])) ^ 0xFF000000 for byte in range(256)], dtype=np.uint32)
