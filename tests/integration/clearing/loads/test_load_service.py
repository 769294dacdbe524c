"""Loads on a real PostgreSQL with the software vault; the card is paper: its keys and its counters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from card_os.crypto.purse import load_mac1, load_mac2, load_tac
from card_os.crypto.session import load_session_key
from clearing.facts.service import apply_fact
from clearing.ledger.accounts import TRANSIT, Kind, account, code
from clearing.ledger.rules import Counters, Purpose, Transfer
from clearing.ledger.service import balances, open_accounts, post, verify
from clearing.loads import queries
from clearing.loads.service import ConfirmationRefused, LoadRefused, MalformedRequest, authorise, confirm, standing
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from rulebook.messages.facts import CardFact, CardState, DenyListFact, FeedItem
from rulebook.messages.loads import (
    ConfirmationRefusal,
    LoadAuthorised,
    LoadConfirmation,
    LoadQuestion,
    LoadRefusal,
    LoadRequest,
    LoadStanding,
    LoadState,
)
from rulebook.money import Amount

NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
DAY = date(2026, 9, 15)
ISSUER, SERIAL = bytes.fromhex("01991000FFFFFFFF"), bytes.fromhex("03109910000000000017")
TERMINAL = bytes.fromhex("991000000901")
COMPANY = [account(TRANSIT, Kind.FLOAT_AT_BANK), account(TRANSIT, Kind.VALUE_ON_CARDS)]
VAULT = SoftwareVault.demonstration(CLEARING_LABELS)
AGENT = code(Kind.AGENT_PREFUNDED, "agent-1")
VALUE = code(Kind.VALUE_ON_CARDS)
LIMIT = 100_000


@dataclass
class PaperCard:
    """What a card must know for a load."""

    balance: int = 1000
    sequence: int = 5
    randoms: int = 0
    session: dict[str, Any] = field(default_factory=dict)

    def key(self, label: KeyLabel) -> bytes:
        return VAULT.child_key(MasterKey(label), [ISSUER, SERIAL[-8:]])

    def initialize(self, amount: int, **changed: Any) -> LoadRequest:
        self.randoms += 1
        random = self.randoms.to_bytes(4, "big")
        key = load_session_key(self.key(KeyLabel.LOAD), card_random=random, online_sequence=self.sequence)
        mac1 = load_mac1(
            key, balance_minor=self.balance, amount_minor=max(amount, 0), transaction_type=2, terminal=TERMINAL
        )
        request = LoadRequest(
            device="TOPUP-01",
            issuer=ISSUER,
            serial=SERIAL,
            purse=2,
            online_sequence=self.sequence,
            amount_minor=amount,
            balance_minor=self.balance,
            key_version=1,
            algorithm=0,
            random=random,
            mac1=mac1,
            terminal=TERMINAL,
            date=bytes.fromhex("20260915"),
            time=bytes.fromhex("100000"),
        ).model_copy(update=changed)
        self.session = {"key": key, "request": request}
        return request

    def credit(self, mac2: bytes) -> LoadConfirmation:
        request: LoadRequest = self.session["request"]
        given = {"amount_minor": request.amount_minor, "transaction_type": 2, "terminal": TERMINAL}
        moment = {"date": request.date, "time": request.time}
        assert mac2 == load_mac2(self.session["key"], **given, **moment)
        self.balance += request.amount_minor
        tac = load_tac(
            self.key(KeyLabel.TAC), new_balance_minor=self.balance, online_sequence=self.sequence, **given, **moment
        )
        self.sequence += 1
        return LoadConfirmation(
            device="TOPUP-01", issuer=ISSUER, serial=SERIAL, purse=2, online_sequence=self.sequence - 1, tac=tac
        )


CARD = CardFact(
    issuer=ISSUER,
    serial=SERIAL,
    chip_serial=bytes(8),
    person="p",
    product="citizen",
    rider_class="ordinary",
    key_version=1,
    valid_from=date(2026, 1, 1),
    valid_to=date(2036, 1, 1),
    purse_limit_minor=LIMIT,
    state=CardState.ACTIVE,
    effective=NOW,
)


async def set_up(session: AsyncSession, cover: int = 10_000, fact: CardFact | None = CARD) -> None:
    await open_accounts(session, [*COMPANY, account(TRANSIT, Kind.AGENT_PREFUNDED, "agent-1")])
    opening = {"book": TRANSIT, "debit": code(Kind.FLOAT_AT_BANK), "business_day": DAY}
    await post(
        session,
        [
            Transfer(id="o", credit=VALUE, amount=Amount(1000), purpose=Purpose.OPENING, **opening),
            Transfer(id="p", credit=AGENT, amount=Amount(cover), purpose=Purpose.PREFUNDING, **opening),
        ],
        now=NOW,
    )
    if fact is not None:
        await apply_fact(session, FeedItem(number=1, fact=fact))


@pytest.fixture
async def clearing(clearing_session: AsyncSession) -> AsyncSession:
    await set_up(clearing_session)
    return clearing_session


async def ask(session: AsyncSession, request: LoadRequest, agent: str = "agent-1") -> LoadAuthorised | LoadRefused:
    return await authorise(session, VAULT, request, agent=agent, now=NOW)


async def authorised(session: AsyncSession, request: LoadRequest, agent: str = "agent-1") -> bytes:
    answer = await ask(session, request, agent)
    assert isinstance(answer, LoadAuthorised), answer
    return answer.mac2


async def prove(session: AsyncSession, confirmation: LoadConfirmation) -> LoadStanding | ConfirmationRefused:
    return await confirm(session, VAULT, confirmation, now=NOW)


async def state(session: AsyncSession, sequence: int = 5) -> LoadState:
    answer = await standing(
        session, LoadQuestion(device="TOPUP-01", issuer=ISSUER, serial=SERIAL, purse=2, online_sequence=sequence)
    )
    assert isinstance(answer, LoadStanding)
    return answer.state


async def books(session: AsyncSession) -> tuple[Counters, Counters]:
    """Agent and value on cards; the books must agree with themselves."""
    assert await verify(session, TRANSIT) == []
    every = {s.account.code: s.counters for s in await balances(session, TRANSIT)}
    return every[AGENT], every[VALUE]


RESERVED = (Counters(0, 10_000, 3000, 0), Counters(0, 1000, 0, 3000))
POSTED = (Counters(3000, 10_000, 0, 0), Counters(0, 4000, 0, 0))
UNTOUCHED = (Counters(0, 10_000, 0, 0), Counters(0, 1000, 0, 0))


async def test_a_load_is_reserved_credited_and_posted(clearing: AsyncSession) -> None:
    card = PaperCard()
    mac2 = await authorised(clearing, card.initialize(3000))
    assert (await state(clearing), await books(clearing)) == (LoadState.RESERVED, RESERVED)
    answer = await prove(clearing, card.credit(mac2))
    assert isinstance(answer, LoadStanding)
    assert (answer.state, answer.amount_minor, answer.terminal) == (LoadState.POSTED, 3000, TERMINAL)
    assert (await state(clearing), await books(clearing)) == (LoadState.POSTED, POSTED)


async def test_a_repeated_request_gets_the_same_mac2_and_a_repeated_tac_posts_once(clearing: AsyncSession) -> None:
    card = PaperCard()
    request = card.initialize(3000)
    mac2 = await authorised(clearing, request)
    assert await authorised(clearing, request) == mac2
    confirmation = card.credit(mac2)
    assert await prove(clearing, confirmation) == await prove(clearing, confirmation)
    assert await authorised(clearing, request) == mac2
    assert await books(clearing) == POSTED


def same_random(card: PaperCard, amount: int, **changed: Any) -> LoadRequest:
    card.randoms -= 1
    return card.initialize(amount, **changed)


async def test_the_same_random_with_another_amount_is_refused(clearing: AsyncSession) -> None:
    card = PaperCard()
    await authorised(clearing, card.initialize(3000))
    assert await ask(clearing, same_random(card, 3001)) == LoadRefused(LoadRefusal.REPEATED_WITH_OTHER_CONTENT)
    assert await books(clearing) == RESERVED


@pytest.mark.parametrize("changed", [{"device": "TOPUP-02"}, {"time": bytes.fromhex("100001")}], ids=str)
async def test_the_same_random_with_another_field_is_refused(clearing: AsyncSession, changed: dict[str, Any]) -> None:
    card = PaperCard()
    await authorised(clearing, card.initialize(3000))
    answer = await ask(clearing, same_random(card, 3000, **changed))
    assert answer == LoadRefused(LoadRefusal.REPEATED_WITH_OTHER_CONTENT)


async def test_a_new_random_continues_the_reservation(clearing: AsyncSession) -> None:
    card = PaperCard()
    first = await authorised(clearing, card.initialize(3000))
    second = await authorised(clearing, card.initialize(3000))
    assert first != second
    assert await books(clearing) == RESERVED
    await prove(clearing, card.credit(second))
    assert await books(clearing) == POSTED


async def test_an_unchanged_sequence_voids_the_load_for_one_of_another_amount(clearing: AsyncSession) -> None:
    card = PaperCard()
    await authorised(clearing, card.initialize(9000))
    mac2 = await authorised(clearing, card.initialize(3000))
    assert await books(clearing) == RESERVED
    await prove(clearing, card.credit(mac2))
    assert await books(clearing) == POSTED


async def test_what_is_voided_counts_as_cover_and_stays_void_without_it(clearing: AsyncSession) -> None:
    card = PaperCard()
    await authorised(clearing, card.initialize(9000))
    assert await ask(clearing, card.initialize(10_001)) == LoadRefused(LoadRefusal.AGENT_WITHOUT_COVER)
    assert (await state(clearing), await books(clearing)) == (LoadState.VOIDED, UNTOUCHED)
    await authorised(clearing, card.initialize(10_000))


async def test_a_voided_mac2_is_not_given_out_again(clearing: AsyncSession) -> None:
    card = PaperCard()
    first = card.initialize(9000)
    await authorised(clearing, first)
    await authorised(clearing, card.initialize(3000))
    assert await ask(clearing, first) == LoadRefused(LoadRefusal.REPEATED_WITH_OTHER_CONTENT)


async def test_a_delayed_initialize_after_the_load_is_refused(clearing: AsyncSession) -> None:
    card = PaperCard()
    delayed = card.initialize(700)
    await prove(clearing, card.credit(await authorised(clearing, card.initialize(3000))))
    assert await ask(clearing, delayed) == LoadRefused(LoadRefusal.REPEATED_WITH_OTHER_CONTENT)
    assert await books(clearing) == POSTED


async def test_a_delayed_initialize_voids_nothing_for_good(clearing: AsyncSession) -> None:
    """The card did credit 3000: its TAC puts right what a delayed request of 700 had turned round."""
    card = PaperCard()
    delayed = card.initialize(700)
    mac2 = await authorised(clearing, card.initialize(3000))
    await authorised(clearing, delayed)
    assert isinstance(await prove(clearing, card.credit(mac2)), LoadStanding)
    assert (await state(clearing), await books(clearing)) == (LoadState.POSTED, POSTED)


async def test_a_proof_after_the_void_without_cover_moves_nothing_and_says_so(clearing: AsyncSession) -> None:
    card = PaperCard()
    delayed = card.initialize(700)
    mac2 = await authorised(clearing, card.initialize(9000))
    await authorised(clearing, delayed)
    spend = {"book": TRANSIT, "debit": AGENT, "credit": VALUE, "business_day": DAY, "purpose": Purpose.LOAD}
    await post(clearing, [Transfer(id="x", amount=Amount(9000), **spend)], now=NOW)
    confirmation = card.credit(mac2)
    refused = ConfirmationRefused(ConfirmationRefusal.AGENT_WITHOUT_COVER)
    assert await prove(clearing, confirmation) == refused
    assert (await books(clearing))[0] == Counters(9000, 10_000, 0, 0)


async def test_an_open_load_is_settled_before_the_next(clearing: AsyncSession) -> None:
    card = PaperCard()
    unheard = card.credit(await authorised(clearing, card.initialize(3000)))
    following = card.initialize(500)
    assert await ask(clearing, following) == LoadRefused(LoadRefusal.EARLIER_LOAD_OPEN)
    assert [load.online_sequence for load, _ in await queries.open_loads(clearing)] == [5]
    await prove(clearing, unheard)
    await authorised(clearing, following)
    assert [load.online_sequence for load, _ in await queries.open_loads(clearing)] == [6]


@pytest.mark.parametrize(
    ("request_changed", "fact_changed", "reason"),
    [
        ({}, {"state": CardState.LOST}, LoadRefusal.CARD_NOT_ACTIVE),
        ({}, {"state": CardState.PERSONALISED}, LoadRefusal.CARD_NOT_ACTIVE),
        ({}, {"valid_to": date(2026, 9, 14)}, LoadRefusal.CARD_NOT_ACTIVE),
        ({}, {"valid_from": date(2026, 9, 16)}, LoadRefusal.CARD_NOT_ACTIVE),
        ({"serial": bytes(10)}, {}, LoadRefusal.CARD_UNKNOWN),
        ({"mac1": bytes(4)}, {}, LoadRefusal.MAC1_WRONG),
        ({"balance_minor": 999}, {}, LoadRefusal.MAC1_WRONG),
        ({"amount_minor": 3001}, {}, LoadRefusal.MAC1_WRONG),
        ({"random": bytes(4)}, {}, LoadRefusal.MAC1_WRONG),
        ({"online_sequence": 6}, {}, LoadRefusal.MAC1_WRONG),
        ({}, {"purse_limit_minor": 3999}, LoadRefusal.PURSE_LIMIT_PASSED),
    ],
    ids=str,
)
async def test_a_load_is_refused_by_name(
    clearing_session: AsyncSession, request_changed: dict[str, Any], fact_changed: dict[str, Any], reason: LoadRefusal
) -> None:
    await set_up(clearing_session, fact=CARD.model_copy(update=fact_changed))
    assert await ask(clearing_session, PaperCard().initialize(3000, **request_changed)) == LoadRefused(reason)
    assert await books(clearing_session) == UNTOUCHED


@pytest.mark.parametrize("amount", [0, -1])
async def test_an_amount_must_be_above_zero(clearing: AsyncSession, amount: int) -> None:
    assert await ask(clearing, PaperCard().initialize(amount)) == LoadRefused(LoadRefusal.AMOUNT_NOT_POSITIVE)


async def test_a_load_may_go_to_the_purse_limit(clearing_session: AsyncSession) -> None:
    await set_up(clearing_session, fact=CARD.model_copy(update={"purse_limit_minor": 4000}))
    await authorised(clearing_session, PaperCard().initialize(3000))


async def test_a_denied_card_is_refused_until_it_is_taken_off_the_list(clearing: AsyncSession) -> None:
    denied = DenyListFact(issuer=ISSUER, serial=SERIAL, denied=True, reported_at=NOW)
    await apply_fact(clearing, FeedItem(number=2, fact=denied))
    card = PaperCard()
    assert await ask(clearing, card.initialize(3000)) == LoadRefused(LoadRefusal.CARD_DENIED)
    await apply_fact(clearing, FeedItem(number=3, fact=denied.model_copy(update={"denied": False})))
    await authorised(clearing, card.initialize(3000))


@pytest.mark.parametrize(("agent", "amount"), [("agent-1", 10_001), ("nobody", 1)])
async def test_an_agent_without_cover_is_refused(clearing: AsyncSession, agent: str, amount: int) -> None:
    assert await ask(clearing, PaperCard().initialize(amount), agent) == LoadRefused(LoadRefusal.AGENT_WITHOUT_COVER)
    assert await books(clearing) == UNTOUCHED


async def test_another_agent_pays_for_its_own_attempt(clearing: AsyncSession) -> None:
    await open_accounts(clearing, [account(TRANSIT, Kind.AGENT_WITH_LIMIT, "agent-2", limit_minor=3000)])
    card = PaperCard()
    await authorised(clearing, card.initialize(3000))
    await prove(clearing, card.credit(await authorised(clearing, card.initialize(3000), "agent-2")))
    agent_one, value = await books(clearing)
    assert agent_one == UNTOUCHED[0]
    assert value == POSTED[1]


async def test_of_attempts_alike_the_newest_is_posted_and_only_once(clearing: AsyncSession) -> None:
    card = PaperCard()
    await authorised(clearing, card.initialize(3000))
    await authorised(clearing, card.initialize(700))
    confirmation = card.credit(await authorised(clearing, card.initialize(3000)))
    await prove(clearing, confirmation)
    assert await books(clearing) == POSTED
    await prove(clearing, confirmation)
    assert await books(clearing) == POSTED


@pytest.mark.parametrize("flipped", range(4))
async def test_a_wrong_tac_posts_nothing(clearing: AsyncSession, flipped: int) -> None:
    card = PaperCard()
    right = card.credit(await authorised(clearing, card.initialize(3000)))
    tac = bytes(byte ^ (index == flipped) for index, byte in enumerate(right.tac))
    answer = await prove(clearing, right.model_copy(update={"tac": tac}))
    assert answer == ConfirmationRefused(ConfirmationRefusal.TAC_WRONG)
    assert await books(clearing) == RESERVED


async def test_a_tac_of_a_load_nobody_asked_for_is_refused(clearing: AsyncSession) -> None:
    confirmation = LoadConfirmation(
        device="TOPUP-01", issuer=ISSUER, serial=SERIAL, purse=2, online_sequence=5, tac=bytes(4)
    )
    assert await prove(clearing, confirmation) == ConfirmationRefused(ConfirmationRefusal.LOAD_UNKNOWN)


@pytest.mark.parametrize(
    ("changed", "field_name"),
    [
        ({"mac1": b"123"}, "mac1"),
        ({"issuer": b""}, "issuer"),
        ({"purse": 3}, "purse"),
        ({"algorithm": 9}, "algorithm"),
        ({"online_sequence": 65536}, "online_sequence"),
        ({"balance_minor": -1}, "balance_minor"),
        ({"amount_minor": 2**32}, "amount_minor"),
        ({"date": bytes.fromhex("20261315")}, "date"),
        ({"time": bytes.fromhex("0000FF")}, "date"),
    ],
    ids=str,
)
async def test_a_field_nobody_can_have_meant_is_named(
    clearing: AsyncSession, changed: dict[str, Any], field_name: str
) -> None:
    with pytest.raises(MalformedRequest) as error:
        await ask(clearing, PaperCard().initialize(3000).model_copy(update=changed))
    assert [name for name, _ in error.value.faults] == [field_name]
