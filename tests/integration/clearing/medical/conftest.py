"""A fund with one hospital, one insured person with an active card, and the card's own answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from card_os.crypto.authentication import city_factor, social_cryptogram
from clearing.benefits import service
from clearing.benefits.funding import Institution, PayIn, open_fund, pay_in
from clearing.benefits.office import Desk, FundOffice
from clearing.benefits.policy import packaged_policies
from clearing.benefits.presence import give_challenge
from clearing.facts.service import apply_fact
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from rulebook.messages.facts import CardFact, CardState, Fact, FeedItem, InsuredFact
from rulebook.messages.medical import (
    REQUESTS,
    AccountUse,
    Answer,
    CancelData,
    CancelInput,
    FeeDetail,
    FeeLineExtension,
    FeeLinesInput,
    Infno,
    InsuranceType,
    ItemClass,
    MedicalType,
    PersonData,
    PersonInput,
    Presence,
    RegisterData,
    RegisterInput,
    Request,
    ReversalData,
    ReversalInput,
    SettleData,
    SettleInput,
)
from rulebook.money import Amount, yuan

NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)  # 10:00 in the city
DAY = date(2026, 9, 15)
REGION = "110000"
FUND = "employee-fund"
VAULT = SoftwareVault.demonstration([KeyLabel.SOCIAL_INTERNAL])


def chip_of(number: int) -> bytes:
    return number.to_bytes(8, "big")


def card_answer(challenge: bytes, chip: bytes, region: str = REGION) -> bytes:
    """What the card with this chip answers to INTERNAL AUTHENTICATE."""
    key = VAULT.child_key(MasterKey(KeyLabel.SOCIAL_INTERNAL), (city_factor(region), chip))
    return social_cryptogram(key, first=challenge[:8], second=challenge[8:])


@dataclass
class Counter:
    """A desk in front of the fund's service functions, without HTTP."""

    session: AsyncSession
    office: FundOffice
    desk: Desk
    numbers: Any

    def request(self, infno: Infno, content: Any, **fields: Any) -> Request[Any]:
        given = {
            "infno": infno,
            "msgid": f"{self.desk.institution}20260915100000{next(self.numbers):04d}",
            "insuplc_admdvs": REGION,
            "inf_time": NOW,
            "fixmedins_code": self.desk.institution,
            "input": content,
        }
        return REQUESTS[infno](**{**given, **fields})

    async def send(self, request: Request[Any], now: datetime = NOW) -> Answer[Any]:
        """As the endpoint does: the presence first, then the rest, each its own savepoint."""
        async with self.session.begin_nested():
            await service.take_presence(self.session, self.desk, request, now)
        async with self.session.begin_nested():
            return await service.handle(self.session, self.office, self.desk, request, now)

    async def challenge(self, now: datetime = NOW) -> bytes:
        return (await give_challenge(self.session, self.desk, self.office, now)).challenge

    def person_request(self, challenge: bytes, chip: bytes, answer: bytes | None = None, **fields: Any) -> Request[Any]:
        data = PersonData(mdtrt_cert_no="A12345678", card_sn="11" * 16, begntime=NOW)
        right = card_answer(challenge, chip) if answer is None else answer
        presence = Presence(challenge=challenge, chip_serial=chip, answer=right)
        return self.request(Infno.PERSON, PersonInput(data=data), presence=presence, **fields)

    async def present(self, chip: bytes = chip_of(1), now: datetime = NOW) -> str:
        answer = await self.send(self.person_request(await self.challenge(now), chip), now)
        return str(answer.output.baseinfo.psn_no)

    def register_request(self, person: str, visit: str = "V1", **changes: Any) -> Request[Any]:
        fields: dict[str, Any] = {
            "psn_no": person,
            "insutype": InsuranceType.EMPLOYEE,
            "begntime": NOW,
            "mdtrt_cert_no": "A12345678",
            "ipt_otp_no": visit,
            "dept_code": "03",
            "dept_name": "内科",
        }
        return self.request(Infno.REGISTER, RegisterInput(data=RegisterData(**{**fields, **changes})))

    def lines_request(
        self, person: str, lines: list[tuple[str, ItemClass]], *, visit: str = "V1", batch: str = "1"
    ) -> Request[Any]:
        details = [
            FeeDetail(
                feedetl_sn=f"{batch}-{number}",
                mdtrt_id=visit,
                psn_no=person,
                chrg_bchno=batch,
                fee_ocur_time=NOW,
                med_list_codg="X",
                medins_list_codg="X",
                det_item_fee_sumamt=yuan(amount),
                cnt=Decimal(1),
                pric=yuan(amount),
                expContent=FeeLineExtension(chrgitm_lv=item_class),
            )
            for number, (amount, item_class) in enumerate(lines, start=1)
        ]
        return self.request(Infno.FEE_LINES, FeeLinesInput(feedetail=details))

    def settle_request(
        self,
        person: str,
        total: str,
        *,
        visit: str = "V1",
        batch: str = "1",
        infno: Infno = Infno.SETTLE,
        **changes: Any,
    ) -> Request[Any]:
        fields: dict[str, Any] = {
            "psn_no": person,
            "mdtrt_cert_no": "A12345678",
            "med_type": MedicalType.OUTPATIENT,
            "medfee_sumamt": yuan(total),
            "mdtrt_id": visit,
            "chrg_bchno": batch,
            "acct_used_flag": AccountUse.YES,
            "insutype": InsuranceType.EMPLOYEE,
        }
        return self.request(infno, SettleInput(data=SettleData(**{**fields, **changes})))

    def cancel_request(self, person: str, settlement: str, visit: str = "V1") -> Request[Any]:
        data = CancelData(setl_id=settlement, mdtrt_id=visit, psn_no=person)
        return self.request(Infno.SETTLE_CANCEL, CancelInput(data=data))

    def reversal_request(self, person: str, msgid: str, infno: Infno = Infno.SETTLE) -> Request[Any]:
        data = ReversalData(psn_no=person, omsgid=msgid, oinfno=infno)
        return self.request(Infno.REVERSAL, ReversalInput(data=data))

    async def visit(
        self, person: str, lines: list[tuple[str, ItemClass]], *, visit: str = "V1", batch: str = "1"
    ) -> Request[Any]:
        """The card once more, register, fee lines; the settle request that is still to be sent."""
        await self.present(chip_of(int(person[1:])))
        await self.send(self.register_request(person, visit))
        await self.send(self.lines_request(person, lines, visit=visit, batch=batch))
        total = sum((yuan(amount) for amount, _ in lines), start=Amount(0))
        return self.settle_request(person, str(total), visit=visit, batch=batch)


def facts(state: CardState = CardState.ACTIVE) -> list[Fact]:
    cards: list[Fact] = [
        CardFact(
            issuer=bytes.fromhex("01991000FFFFFFFF"),
            serial=number.to_bytes(10, "big"),
            chip_serial=chip_of(number),
            person=f"p{number}",
            product="citizen",
            rider_class="ordinary",
            key_version=1,
            valid_from=date(2026, 1, 1),
            valid_to=date(2036, 1, 1),
            purse_limit_minor=100000,
            state=CardState.LOST if number == 3 else state,
            effective=NOW,
        )
        for number in (1, 2, 3, 4)
    ]
    classes = {1: "in_service", 2: "retired_70_plus", 3: "in_service"}
    return cards + [
        InsuredFact(person=f"p{number}", fund=FUND, insured_class=insured_class, effective=NOW)
        for number, insured_class in classes.items()
    ]


async def set_up_fund(session: AsyncSession) -> None:
    for number, fact in enumerate(facts(), start=1):
        await apply_fact(session, FeedItem(number=number, fact=fact))
    await open_fund(
        session, FUND, [Institution("hospital-1", "第一医院", "L3"), Institution("hospital-2", "社区", "community")]
    )
    payments = [PayIn("opening-pool", "", yuan("100000")), PayIn("opening-p1", "p1", yuan("300"))]
    await pay_in(session, FUND, payments, business_day=DAY, now=NOW)


@pytest.fixture
def office() -> FundOffice:
    return FundOffice(VAULT, packaged_policies())


@pytest.fixture
async def fund(clearing_session: AsyncSession) -> AsyncSession:
    await set_up_fund(clearing_session)
    return clearing_session


@pytest.fixture
def counter_at(fund: AsyncSession, office: FundOffice) -> Callable[[str, str], Counter]:
    numbers = itertools.count(1)
    return lambda device, institution: Counter(fund, office, Desk(device, institution), numbers)


@pytest.fixture
def counter(counter_at: Callable[[str, str], Counter]) -> Counter:
    return counter_at("HOSP-1-01", "hospital-1")


@pytest.fixture
def counter_in(office: FundOffice) -> Callable[[AsyncSession, str, str, Any], Counter]:
    """A counter in a transaction of the test's own; the fund is set up by ``set_up``."""
    return lambda session, device, institution, numbers: Counter(session, office, Desk(device, institution), numbers)


@pytest.fixture
def set_up() -> Callable[[AsyncSession], Any]:
    return set_up_fund
