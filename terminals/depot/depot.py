"""The depot's side: batches taken from buses, forwarded to clearing unchanged, their receipts kept for the next visit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import ValidationError

from card_os.wire.dialogue import HostSilent
from rulebook.batch import MOST_DEVICES, bundle
from rulebook.messages.batches import BatchAnswer, BatchAnswers, SignedReceipt
from rulebook.messages.medical import parse, to_wire
from rulebook.messages.problems import Problem
from terminals.depot.carried import BATCH, RECEIPT, Carried, carried, leave
from terminals.uplink.durable import write_whole
from terminals.uplink.uplink import NOT_NOW, HostRefused

PATH = "/batches/collected"
BUNDLE_BYTES = 16 * 1024 * 1024
"""Of one request, about. Ours: clearing takes four times as much."""


@dataclass(frozen=True, slots=True)
class RefusedBatch:
    """Clearing said no. The batch stays and is offered again: what is wrong may be put right there (an enrolment, say)."""

    device: str
    number: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class Forwarded:
    """``accepted``: how many clearing has now and had not acknowledged here before."""

    accepted: int
    refused: tuple[RefusedBatch, ...]


class Depot:
    """``folder``/batches and ``folder``/receipts. Every step is durable before the next and may be cut off and repeated: a
    batch goes only when its receipt is there. One process works in a folder at a time."""

    def __init__(self, folder: Path) -> None:
        self._batches, self._receipts = folder / "batches", folder / "receipts"
        for each in (self._batches, self._receipts):
            each.mkdir(parents=True, exist_ok=True)

    def visit(self, link: Path) -> int:
        """A bus is here, ``link`` is what it brought: take its batches, leave the receipts there are; how many were new. A bus
        that left a batch again beside its receipt does not trust that one (clearing's key has changed, say): the batch is
        forwarded once more, for a new one."""
        new = 0
        for one in carried(link):
            receipt = self._receipts / f"{one.name}{RECEIPT}"
            if receipt.exists() and leave(link / receipt.name, receipt.read_bytes()):
                continue
            new += leave(self._batches / f"{one.name}{BATCH}", one.raw)
        return new

    def waiting(self) -> tuple[Carried, ...]:
        """Not acknowledged by clearing yet, in order of device and number: then no gap opens that need not."""
        return tuple(sorted(carried(self._batches), key=lambda one: (one.device, one.number)))

    def forward(self, base_url: str, client: httpx.Client) -> Forwarded:
        """Send what waits. Raises ``HostSilent`` as soon as clearing does not answer, ``HostRefused`` when it takes nothing of
        the kind; what was acknowledged before stays so."""
        accepted, refused = 0, []
        for some in _bundles(self.waiting()):
            for one, answer in zip(some, _sent(some, base_url.rstrip("/"), client), strict=True):
                if answer.problem is not None:
                    refused.append(RefusedBatch(one.device, one.number, answer.problem))
                    continue
                write_whole(self._receipts / f"{one.name}{RECEIPT}", to_wire(_receipt(one, answer)))
                (self._batches / f"{one.name}{BATCH}").unlink()
                accepted += 1
        return Forwarded(accepted, tuple(refused))


def _bundles(waiting: Sequence[Carried]) -> Iterator[list[Carried]]:
    some: list[Carried] = []
    size, devices = 0, set[str]()
    for one in waiting:
        if some and (size + one.size > BUNDLE_BYTES or len(devices | {one.device}) > MOST_DEVICES):
            yield some
            some, size, devices = [], 0, set()
        some.append(one)
        size += one.size
        devices.add(one.device)
    if some:
        yield some


def _sent(some: Sequence[Carried], base_url: str, client: httpx.Client) -> list[BatchAnswer]:
    """An answer for each."""
    headers = {"Content-Type": "application/octet-stream"}
    try:
        response = client.post(base_url + PATH, content=bundle(one.raw for one in some), headers=headers)
    except httpx.RequestError as error:
        raise HostSilent(f"POST {PATH}: {type(error).__name__}") from error
    if response.is_server_error or response.status_code in NOT_NOW:
        raise HostSilent(f"POST {PATH}: the service answered {response.status_code}")
    if not response.is_success:
        raise HostRefused(_problem(response))
    try:
        answers = parse(BatchAnswers, response.content).answers
    except ValueError as error:
        raise HostSilent("the answer is no BatchAnswers") from error
    if [answer.content_hash for answer in answers] != [one.content_hash for one in some]:
        raise HostSilent("the answers are not for the batches that were sent")
    return answers


def _receipt(one: Carried, answer: BatchAnswer) -> SignedReceipt:
    """For the bus to judge; here only that it is for this batch."""
    if answer.receipt is not None:
        said = answer.receipt.receipt
        if (said.device, said.number, said.content_hash) == (one.device, one.number, one.content_hash):
            return answer.receipt
    raise HostSilent(f"the answer for batch {one.number} of {one.device} is no receipt for it")


def _problem(response: httpx.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return Problem(title=response.reason_phrase or "refused", status=response.status_code)
