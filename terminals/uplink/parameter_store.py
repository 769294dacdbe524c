"""The last parameters a device was told, kept on the device: a terminal that starts without a network works by them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from card_os.wire.dialogue import HostSilent
from rulebook.messages.devices import Parameters
from rulebook.messages.medical import parse
from terminals.uplink.durable import write_whole
from terminals.uplink.uplink import Uplink

_FILE = "parameters.json"
# Ours: how far a device's clock may stand behind the moment it last heard before nothing can be said of the age.
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Kept:
    """``received_at`` is when clearing answered them, however often they were read since: the age of the deny list
    counts from there (``DenyList.too_old``)."""

    parameters: Parameters
    received_at: datetime


class NoParameters(Exception):
    """The device has never been told, or what it kept cannot be used: it must reach clearing before it takes a card."""


class ParameterStore:
    """One file in the device's ``folder``, replaced whole."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE

    def current(self, uplink: Uplink, now: datetime) -> Kept:
        """What clearing answers now, kept; where it is silent, what was kept last. Raises ``NoParameters`` and
        ``HostRefused``: a device that clearing turns away works by nothing."""
        try:
            kept = Kept(uplink.parameters(), now)
        except HostSilent:
            return self.last(now)
        with suppress(OSError):  # a full disk is no reason to stop: the next start simply needs a network
            write_whole(self._path, _encode(kept))
        return kept

    def last(self, now: datetime) -> Kept:
        """What was kept last. Raises ``NoParameters``."""
        try:
            kept = _decode(self._path.read_bytes())
            ahead = kept.received_at - now
        except FileNotFoundError:
            raise NoParameters(f"{self._path} is not there yet: connect the device to clearing once") from None
        except (OSError, ValueError, TypeError) as problem:
            raise NoParameters(f"{self._path} cannot be read: connect the device to clearing") from problem
        if ahead > _CLOCK_TOLERANCE:
            raise NoParameters(f"{self._path} is of {kept.received_at}, after now ({now}): set the device's clock")
        return kept


def _encode(kept: Kept) -> bytes:
    """A line with the moment, then the message as clearing sent it."""
    return f"{kept.received_at.isoformat()}\n{kept.parameters.model_dump_json()}".encode()


def _decode(raw: bytes) -> Kept:
    """Raises ``ValueError``."""
    moment, _, body = raw.partition(b"\n")
    return Kept(parse(Parameters, body), datetime.fromisoformat(moment.decode("ascii")))
