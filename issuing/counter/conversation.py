"""One chip at the counter: claimed, written, read back, entered; or its break recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from backoffice.problems import Refused
from backoffice.web import Service
from card_os.wire.apdu import MalformedApdu
from card_os.wire.atr import MalformedAtr, chip_serial
from card_os.wire.commands import MalformedAnswer
from card_os.wire.dialogue import CardGone, Dialogue, UnexpectedStatus
from hardware.readers.drive import AsyncPorts, drive_async
from hardware.readers.relay import MalformedRelay, RelayedCard
from hardware.vault.operations import VaultOperation, perform
from hardware.vault.vault import Vault
from issuing.counter.messages import Outcome, Presented, Result
from issuing.keys.service import WrittenKey
from issuing.personalisation import service as production
from issuing.personalisation.dialogue import KeyWritten, personalise
from issuing.personalisation.readback import ReadBackDiffers, read_back
from issuing.personalisation.service import Job

# A chip takes about a hundred commands; a far end that answers for ever is sent away.
CHIP_LIMIT_S = 300.0
# How a conversation can end early, and the reason the counter is told.
_BREAKS: Mapping[type[Exception], str] = {
    CardGone: "card_gone",
    MalformedRelay: "relay_broken",
    MalformedApdu: "unexpected_answer",
    UnexpectedStatus: "unexpected_status",
    MalformedAnswer: "unexpected_answer",
    TimeoutError: "too_long",
}


@dataclass(slots=True)
class _Ports:
    """The dialogue's vault and its key log, collected until the conversation ends either way."""

    vault: Vault
    written: list[WrittenKey] = field(default_factory=list)

    async def ask(self, operation: VaultOperation) -> bytes:
        return perform(self.vault, operation)

    async def persist(self, record: KeyWritten) -> None:
        key = record.key
        self.written.append(WrittenKey(record.directory, key.type, key.id, key.label, key.version))


class Counter:
    """One counter's connection: ``by`` is who sits there."""

    def __init__(self, here: Service, vault: Vault, card: RelayedCard, *, by: str) -> None:
        self._here = here
        self._vault = vault
        self._card = card
        self._by = by

    async def present(self, presented: Presented) -> Result:
        """Everything about one chip in the reader. ``CardGone`` of the reader ends in a result, too."""
        try:
            chip = chip_serial(await self._card.reset())
        except (CardGone, MalformedRelay, MalformedAtr) as error:
            return Result(outcome=Outcome.REFUSED, reason="no_chip", detail=str(error))
        try:
            job = await self._start(chip, presented.application)
        except Refused as refusal:
            problem = refusal.problem
            detail = problem.detail or problem.title
            return Result(outcome=Outcome.REFUSED, chip_serial=chip, reason=problem.reason, detail=detail)
        return await self._write(chip, job)

    async def _start(self, chip: bytes, application: str | None) -> Job:
        now = self._here.clock.now()
        async with self._here.database.transaction() as session:
            return await production.start(session, self._vault, chip, application=application, by=self._by, now=now)

    async def _write(self, chip: bytes, job: Job) -> Result:
        ports = _Ports(self._vault)
        try:
            async with asyncio.timeout(CHIP_LIMIT_S):
                await drive_async(_whole(job), AsyncPorts(card=self._card, vault=ports.ask, persist=ports.persist))
            return await self._finish(chip, job, ports)
        except ReadBackDiffers as difference:
            # A SAM may hold masters by now: only a second person may call it destroyed.
            end = self._scrap if job.terminal_number is None else self._differs
            return await end(chip, job, ports, str(difference))
        except Refused as refusal:  # scrapped or finished elsewhere while it was being written
            problem = refusal.problem
            return await self._break(chip, job, ports, problem.reason, problem.detail or problem.title)
        except tuple(_BREAKS) as broken:
            return await self._break(chip, job, ports, _BREAKS[type(broken)], str(broken))

    async def _finish(self, chip: bytes, job: Job, ports: _Ports) -> Result:
        now = self._here.clock.now()
        async with self._here.database.transaction() as session:
            row = await production.finish(session, chip, ports.written, by=self._by, now=now)
            shown = row.serial.hex().upper()
            await self._here.accounts.record(
                session, now=now, actor=self._by, act="personalised", subject=shown, kind=row.kind
            )
        return _result(chip, job, Outcome.PERSONALISED, application=row.application)

    async def _break(self, chip: bytes, job: Job, ports: _Ports, reason: str, detail: str) -> Result:
        now = self._here.clock.now()
        async with self._here.database.transaction() as session:
            await production.broke(session, chip, ports.written, f"{reason} {detail}".strip(), now=now)
        return _result(chip, job, Outcome.BROKEN, reason=reason, detail=detail)

    async def _differs(self, chip: bytes, job: Job, ports: _Ports, detail: str) -> Result:
        return await self._break(chip, job, ports, "read_back_differs", detail)

    async def _scrap(self, chip: bytes, job: Job, ports: _Ports, detail: str) -> Result:
        now = self._here.clock.now()
        async with self._here.database.transaction() as session:
            await production.broke(session, chip, ports.written, detail, now=now)
            await production.scrap(session, chip, reason=detail, by=self._by, now=now)
            await self._here.accounts.record(
                session, now=now, actor=self._by, act="scrapped", subject=chip.hex().upper(), reason=detail
            )
        return _result(chip, job, Outcome.SCRAPPED, reason="read_back_differs", detail=detail)


def _whole(job: Job) -> Dialogue[None]:
    yield from personalise(job.plan, resumed=job.resumed)
    yield from read_back(job.plan)


def _result(
    chip: bytes, job: Job, outcome: Outcome, *, application: str | None = None, reason: str = "", detail: str = ""
) -> Result:
    return Result(
        outcome=outcome,
        chip_serial=chip,
        kind=job.kind,
        serial=job.plan.identity.serial,
        application=application,
        terminal_number=job.terminal_number,
        resumed=job.resumed,
        reason=reason,
        detail=detail,
    )
