"""Restating a past period: one person says what was wrong, it is computed, another person approves what it comes to, and its
entries are posted piece by piece into the window open then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person
from clearing.files import Files
from clearing.ledger import queries as ledger
from clearing.ledger.accounts import TRANSIT, Account, account
from clearing.ledger.accounts import Kind as AccountKind
from clearing.ledger.rules import Transfer
from clearing.ledger.service import TransfersRefused, open_accounts, post
from clearing.participants.rules import Role
from clearing.participants.service import city, laid_out, tariff_documents
from clearing.restatement.entries import transfers
from clearing.restatement.life import LIFE, RestatementEvent, RestatementState
from clearing.restatement.outcome import Computed
from clearing.restatement.queries import Gathered, bearers, gather, last_place
from clearing.restatement.rules import OPERATOR, Kind
from clearing.restatement.tables import RestatementRow
from clearing.restatement.workshop import EntriesDiffer
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount


async def propose(
    session: AsyncSession,
    *,
    number: str,
    first_day: date,
    last_day: date,
    lines: Iterable[str],
    operators: Iterable[str],
    tariff_version: int,
    borne_by: str,
    reason: str,
    actor: str,
    now: datetime,
) -> RestatementRow:
    """The first person. The same again changes nothing. Raises ``Refused`` with every fault."""
    content = {
        "first_day": first_day,
        "last_day": last_day,
        "lines": sorted(set(lines)),
        "operators": sorted(set(operators)),
        "tariff_version": tariff_version,
        "borne_by": borne_by,
        "reason": reason.strip(),
    }
    if faults := await _faults(session, content, today=now.astimezone(BUSINESS_ZONE).date()):
        raise Refused(422, "The restatement was refused", reason="restatement_refused", errors=faults)
    known = await session.get(RestatementRow, number, with_for_update=True)
    if known is not None:
        if any(getattr(known, name) != value for name, value in content.items()):
            detail = f"number {number} is taken by another restatement; give a new number"
            raise Refused(409, "Known with other content", detail, reason="repeated_with_other_content")
        return known
    row = RestatementRow(
        number=number,
        **content,
        state=RestatementState.PROPOSED,
        proposed_by=actor,
        proposed_at=now,
        through_window=0,
        pieces_posted=0,
    )
    session.add(row)
    await session.flush()
    return row


async def computed(session: AsyncSession, number: str, gathered: Gathered, result: Computed) -> RestatementRow:
    """Put down the dry run. Raises ``Refused``."""
    row = await existing(session, number, lock=True)
    row.state = _moved(row, RestatementEvent.COMPUTE)
    row.through_window = gathered.corrections.now.through_window
    row.inputs, row.computed = gathered.digest, result.to_json()
    await session.flush()
    return row


async def approve(session: AsyncSession, number: str, *, actor: str, now: datetime) -> RestatementRow:
    """The second person, of what was computed. Raises ``Refused``, also where it would come out otherwise by now."""
    # Which restatements came before this one must not change until it is one of them.
    await session.execute(text("SELECT pg_advisory_xact_lock(727009)"))
    row = await existing(session, number, lock=True)
    state = _moved(row, RestatementEvent.APPROVE)
    a_second_person(actor, first=row.proposed_by, what=f"restatement {number}")
    if (await gather(session, row)).digest != row.inputs:
        detail = f"records of the period, or another restatement, came since {number} was computed; compute it again"
        raise Refused(409, "The dry run is out of date", detail, reason="restatement_outdated")
    await _refuse_uncovered(session, result_of(row))
    place, business_day = await last_place(session) + 1, (await city(session)).rules().calendar.business_day(now)
    row.state, row.approved_by, row.approved_at = state, actor, now
    row.place, row.business_day = place, business_day
    await session.flush()
    return row


async def post_piece(session: AsyncSession, number: str, folder: Path, *, now: datetime) -> bool:
    """Post the next piece of an approved restatement; whether more is to come. A piece is posted once, however often and by
    whomever this is called. Raises ``Refused``."""
    row = await existing(session, number, lock=True)
    if row.state == RestatementState.POSTED:
        return False
    finished = _moved(row, RestatementEvent.FINISH)
    assert row.business_day is not None
    result = result_of(row)
    if row.pieces_posted < result.pieces:
        await _post(session, _next_piece(row, result, folder), now=now)
        row.pieces_posted += 1
    if row.pieces_posted == result.pieces:
        row.state = finished
    await session.flush()
    return row.state != RestatementState.POSTED


async def withdraw(session: AsyncSession, number: str) -> RestatementRow:
    """Either person, before the approval. Raises ``Refused``."""
    row = await existing(session, number, lock=True)
    row.state = _moved(row, RestatementEvent.WITHDRAW)
    await session.flush()
    return row


async def existing(session: AsyncSession, number: str, *, lock: bool = False) -> RestatementRow:
    """Raises ``Refused`` 404."""
    row = await session.get(RestatementRow, number, with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise Refused(404, "There is no such restatement", f"number is {number!r}", reason="restatement_unknown")
    return row


def result_of(row: RestatementRow) -> Computed:
    assert row.computed is not None
    return Computed.from_json(row.computed)


def folder_of(files: Files, inputs: bytes) -> Path:
    """Where everything lies that was computed from ``inputs``."""
    return files.folder / "restatements" / inputs.hex()


async def _faults(session: AsyncSession, content: dict[str, object], *, today: date) -> list[dict[str, str]]:
    here = await city(session)
    documents = await tariff_documents(session)
    first, last, version = content["first_day"], content["last_day"], content["tariff_version"]
    assert isinstance(first, date)
    assert isinstance(last, date)
    assert isinstance(version, int)
    operators = sorted(p.id for p in here.participants if p.role is Role.OPERATOR)
    known_lines = sorted(laid_out(documents[version]).lines) if version in documents else None
    told = [
        ("last_day", last < first, f"is {last}, before first_day {first}"),
        ("last_day", last > today, f"is {last}; only what is past is restated"),
        (
            "tariff_version",
            version not in documents,
            f"is {version}; published are {sorted(documents)}, publish it first",
        ),
        *_strangers("lines", content["lines"], known_lines),
        *_strangers("operators", content["operators"], operators),
        (
            "borne_by",
            content["borne_by"] not in (OPERATOR, *bearers(here)),
            f"is {content['borne_by']!r}; it is {OPERATOR} or a participant of the transit book",
        ),
        ("reason", not content["reason"], "is empty; say in a sentence what was wrong with the tariff"),
    ]
    return [{"field": field, "message": message} for field, wrong, message in told if wrong]


def _strangers(field: str, given: object, known: list[str] | None) -> list[tuple[str, bool, str]]:
    assert isinstance(given, list)
    strangers = [] if known is None else sorted(set(given) - set(known))
    return [
        (
            field,
            bool(strangers),
            f"names {', '.join(strangers)}, which {'is' if len(strangers) == 1 else 'are'} not known",
        )
    ]


async def _refuse_uncovered(session: AsyncSession, result: Computed) -> None:
    """What somebody bears must be there to be taken, or posting would stop half-way."""
    owed: Counter[str] = Counter()
    for total in result.totals:
        if total.kind == Kind.LOSS and total.bearer != OPERATOR:
            owed[total.bearer] += total.minor
    codes = bearers(await city(session))
    headroom = {s.account.code: s.headroom_minor for s in await ledger.standings(session, TRANSIT)}
    for bearer, minor in sorted(owed.items()):
        room = headroom[codes[bearer]]
        if room is not None and minor > room:
            detail = f"{bearer} is to bear {Amount(minor)} and has {Amount(room)} in {codes[bearer]}"
            raise Refused(409, "The loss is not covered", detail, reason="loss_not_covered")


def _next_piece(row: RestatementRow, result: Computed, folder: Path) -> list[Transfer]:
    assert row.business_day is not None
    try:
        return list(transfers(result.piece(row.pieces_posted, folder), row.business_day))
    except EntriesDiffer as error:
        raise Refused(
            409, "The entries are not those that were approved", str(error), reason="entries_differ"
        ) from error


async def _post(session: AsyncSession, entries: list[Transfer], *, now: datetime) -> None:
    await open_accounts(session, _of_holders(entries))
    try:
        await post(session, entries, now=now)
    except TransfersRefused as refused:
        raise Refused(409, "The ledger refuses the entries", str(refused), reason="ledger_refuses") from refused


def _of_holders(entries: Iterable[Transfer]) -> list[Account]:
    """They come into being with the first refund."""
    codes = {code for entry in entries for code in (entry.debit, entry.credit)}
    named = sorted(code.partition(":")[::2] for code in codes)
    return [
        account(TRANSIT, AccountKind.REFUNDS_OWED, owner) for kind, owner in named if kind == AccountKind.REFUNDS_OWED
    ]


def _moved(row: RestatementRow, event: RestatementEvent) -> RestatementState:
    """Raises ``Refused``."""
    return step(
        LIFE, f"restatement {row.number}", RestatementState(row.state), event, reason=f"restatement_{row.state}"
    )
