"""The depot's side: parcels taken from buses, forwarded to clearing unchanged, their receipts kept for the next visit."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import ValidationError

from card_os.wire.dialogue import HostSilent
from rulebook.messages.devices import BatchReceipt
from rulebook.messages.medical import parse, to_wire
from rulebook.messages.problems import Problem
from terminals.depot.parcel import PARCEL, PATH, RECEIPT, Parcel, leave, parcels
from terminals.uplink.durable import write_whole
from terminals.uplink.uplink import NOT_NOW


@dataclass(frozen=True, slots=True)
class RefusedParcel:
    """Clearing said no. The parcel stays and is offered again: what is wrong may be put right there (an enrolment, say)."""

    device: str
    number: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class Forwarded:
    """``accepted``: how many clearing has now and had not acknowledged here before."""

    accepted: int
    refused: tuple[RefusedParcel, ...]


class Depot:
    """``folder``/parcels and ``folder``/receipts. Every step is durable before the next and may be cut off and repeated: a
    parcel goes only when its receipt is there. One process works in a folder at a time."""

    def __init__(self, folder: Path) -> None:
        self._parcels, self._receipts = folder / "parcels", folder / "receipts"
        for each in (self._parcels, self._receipts):
            each.mkdir(parents=True, exist_ok=True)

    def visit(self, link: Path) -> int:
        """A bus is here, ``link`` is what it brought: take its parcels, leave the receipts there are; how many were new."""
        new = 0
        for parcel in parcels(link):
            receipt = self._receipts / f"{parcel.name}{RECEIPT}"
            if receipt.exists():
                leave(link / receipt.name, receipt.read_bytes())
            else:
                new += leave(self._parcels / f"{parcel.name}{PARCEL}", parcel.encode())
        return new

    def waiting(self) -> tuple[Parcel, ...]:
        """Not acknowledged by clearing yet, in order of device and number: then no gap opens that need not."""
        return tuple(sorted(parcels(self._parcels), key=lambda parcel: (parcel.device, parcel.number)))

    def forward(self, base_url: str, client: httpx.Client) -> Forwarded:
        """Send what waits. Raises ``HostSilent`` as soon as clearing does not answer; what was acknowledged before stays so."""
        accepted, refused = 0, []
        for parcel in self.waiting():
            answer = _sent(parcel, base_url.rstrip("/"), client)
            if isinstance(answer, Problem):
                refused.append(RefusedParcel(parcel.device, parcel.number, answer))
                continue
            write_whole(self._receipts / f"{parcel.name}{RECEIPT}", to_wire(answer))
            (self._parcels / f"{parcel.name}{PARCEL}").unlink()
            accepted += 1
        return Forwarded(accepted, tuple(refused))


def _sent(parcel: Parcel, base_url: str, client: httpx.Client) -> BatchReceipt | Problem:
    headers = {
        "Content-Type": "application/octet-stream",
        "Citycard-Device": parcel.device,
        "Citycard-Signature": base64.b64encode(parcel.signature).decode(),
    }
    try:
        response = client.post(base_url + PATH, content=parcel.batch, headers=headers)
    except httpx.RequestError as error:
        raise HostSilent(f"POST {PATH}: {type(error).__name__}") from error
    if response.is_server_error or response.status_code in NOT_NOW:
        raise HostSilent(f"POST {PATH}: the service answered {response.status_code}")
    if not response.is_success:
        return _problem(response)
    return _receipt(parcel, response.content)


def _receipt(parcel: Parcel, content: bytes) -> BatchReceipt:
    try:
        receipt = parse(BatchReceipt, content)
    except ValueError as error:
        raise HostSilent("the answer is no BatchReceipt") from error
    if (receipt.device, receipt.number, receipt.content_hash) != (parcel.device, parcel.number, parcel.content_hash):
        raise HostSilent(f"the receipt is for other content or for batch {receipt.number} of {receipt.device}")
    return receipt


def _problem(response: httpx.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return Problem(title=response.reason_phrase or "refused", status=response.status_code)
