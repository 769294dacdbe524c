"""A card and a hospital PSAM that answer by the standard's formulas, and a fund that keeps its books in dictionaries."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from card_os.crypto.authentication import city_factor, social_cryptogram
from card_os.crypto.diversification import child_of_levels
from card_os.profile.social_security import (
    SOCIAL_HOLDER,
    SOCIAL_ISSUER,
    SocialHolder,
    SocialIssuer,
    identification_code,
)
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.dialogue import CardGone, HostSilent
from clearing.benefits.answers import settlement_output
from clearing.benefits.policy import packaged_policies
from clearing.benefits.rules import Accumulators, Benefit, Claim, FeeLine, adjudicate, share_lines
from rulebook.messages.base import Message
from rulebook.messages.medical import (
    ANSWERS,
    BaseInfo,
    FeeLinesOutput,
    FeeResult,
    Infno,
    InsuranceInfo,
    InsuranceType,
    ItemClass,
    MedicalRefusal,
    PersonOutput,
    PresenceChallenge,
    PresenceChallengeRequest,
    RegisteredData,
    RegisterOutput,
    Request,
    ReversalOutput,
)
from rulebook.messages.problems import Problem
from rulebook.money import ZERO, yuan
from terminals.hospital import FeeItem, HospitalDesk, HospitalSetup, VisitStore
from terminals.uplink import HostRefused

NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
REGION, CHIP = "110000", b"CHIP0001"
MASTER = b"TEST-SOCIAL-INTR"
POLICY = packaged_policies()[0]
OK = bytes.fromhex("9000")
ISSUER = SocialIssuer(
    identification_code=identification_code(region=REGION, chip_serial=CHIP),
    card_class="3",
    version="3.00",
    organisation="110000000000",
    issued="20260101",
    valid_to="20361231",
    card_number="768225469",
)
HOLDER = SocialHolder(
    social_number="11010519491231002X", name="张三丰", sex="1", nation="01", birthplace="110105", born="19491231"
)


@dataclass
class StubCard:
    """Fits ``Connection``. ``gone_at`` pulls the card before its n-th command; ``answers`` replaces what an INS answers."""

    gone_at: int | None = None
    answers: dict[int, bytes] = field(default_factory=dict)
    heard: list[CommandApdu] = field(default_factory=list)
    atr: bytes = bytes.fromhex("3B6D000000814E4323") + CHIP
    issuer: SocialIssuer = ISSUER
    irk: bytes = child_of_levels(MASTER, (city_factor(REGION), CHIP))

    def reset(self) -> bytes:
        return self.atr

    def transmit(self, command: bytes) -> bytes:
        if len(self.heard) == self.gone_at:
            raise CardGone("pulled")
        apdu = CommandApdu.parse(command)
        self.heard.append(apdu)
        if apdu.ins in self.answers:
            return self.answers[apdu.ins]
        match apdu.ins:
            case 0x88:
                return social_cryptogram(self.irk, first=apdu.data[:8], second=apdu.data[8:]) + OK
            case 0xB2:
                layout: Any = SOCIAL_ISSUER if apdu.p2 >> 3 == names.SFI_SOCIAL_ISSUER else SOCIAL_HOLDER
                records = layout.encode(self.issuer if layout is SOCIAL_ISSUER else HOLDER)
                return records[apdu.p1 - 1] + OK if apdu.p1 <= len(records) else bytes.fromhex("6A83")
        return OK


@dataclass
class StubSam:
    """BF DE and 80 FA of standards.md §5.5."""

    master: bytes = MASTER
    silent: bool = False
    atr: bytes = b""
    session: bytes = b""

    def reset(self) -> bytes:
        return self.atr

    def transmit(self, command: bytes) -> bytes:
        if self.silent:
            raise CardGone("no SAM in the slot")
        apdu = CommandApdu.parse(command)
        if apdu.ins == 0xDE:
            self.session = apdu.data
        if apdu.ins != 0xFA:
            return OK
        card, city, first = self.session[:8], self.session[8:16], self.session[16:]
        return social_cryptogram(child_of_levels(self.master, (city, card)), first=first, second=apdu.data) + OK


@dataclass
class StubFund:
    """Answers as clearing does: by msgid, with the packaged policy. ``refuse`` makes an interface say no;
    ``settled`` are the standing settlements."""

    refuse: dict[Infno, MedicalRefusal] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    answers: dict[str, Message] = field(default_factory=dict)
    lines: dict[str, list[Any]] = field(default_factory=dict)
    settled: dict[str, Benefit] = field(default_factory=dict)
    reversed: set[str] = field(default_factory=set)
    challenges: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __call__(self, message: Any) -> Message:
        self.heard.append(message)
        if isinstance(message, PresenceChallengeRequest):
            number = next(self.challenges)
            return PresenceChallenge(challenge=number.to_bytes(16, "big"), expires_at=NOW + timedelta(minutes=5))
        if message.infno in self.refuse:
            raise _refused(self.refuse[message.infno])
        if message.msgid in self.reversed:
            raise _refused(MedicalRefusal.REVERSED_BEFORE)
        if message.msgid not in self.answers:
            output = getattr(self, f"_{message.infno.name.lower()}")(message)
            answer = ANSWERS[message.infno](inf_refmsgid=message.msgid, respond_time=message.inf_time, output=output)
            self.answers[message.msgid] = answer
        return self.answers[message.msgid]

    def _person(self, _: Request[Any]) -> Message:
        info = InsuranceInfo(balc=yuan("300"), insutype=InsuranceType.EMPLOYEE, psn_type="11", insuplc_admdvs=REGION)
        return PersonOutput(baseinfo=BaseInfo(psn_no="p1"), insuinfo=[info])

    def _register(self, request: Request[Any]) -> Message:
        data = request.input.data
        registered = RegisteredData(mdtrt_id=data.ipt_otp_no, psn_no=data.psn_no, ipt_otp_no=data.ipt_otp_no)
        return RegisterOutput(data=registered)

    def _fee_lines(self, request: Request[Any]) -> Message:
        details = request.input.feedetail
        self.lines[details[0].mdtrt_id] = details
        shares = share_lines([_line(detail) for detail in details], POLICY)
        return FeeLinesOutput(
            result=[
                FeeResult(
                    feedetl_sn=share.number,
                    det_item_fee_sumamt=share.amount,
                    cnt=detail.cnt,
                    pric=detail.pric,
                    selfpay_prop=share.first_self_pay_rate,
                    fulamt_ownpay_amt=share.own_pay,
                    preselfpay_amt=share.first_self_pay,
                    inscp_scp_amt=share.in_scope,
                    chrgitm_lv=share.item_class,
                )
                for share, detail in zip(shares, details, strict=True)
            ]
        )

    def _adjudicated(self, request: Request[Any]) -> Benefit:
        data = request.input.data
        lines = tuple(_line(detail) for detail in self.lines[data.mdtrt_id])
        return adjudicate(Claim(data.med_type, "in_service", "L3", lines, yuan("300")), POLICY, Accumulators())

    def _pre_settle(self, request: Request[Any]) -> Message:
        benefit = self._adjudicated(request)
        left = yuan("300") - benefit.account
        return settlement_output(request, POLICY, "in_service", benefit, balance=left, settled_at=request.inf_time)

    def _settle(self, request: Request[Any]) -> Message:
        self.settled[request.msgid] = self._adjudicated(request)
        return self._pre_settle(request)

    def _settle_cancel(self, request: Request[Any]) -> Message:
        settled = self.answers[request.input.data.setl_id].output  # type: ignore[attr-defined]
        del self.settled[request.input.data.setl_id]
        changes = {"medfee_sumamt": -settled.setlinfo.medfee_sumamt, "setl_time": request.inf_time}
        return settled.model_copy(update={"setlinfo": settled.setlinfo.model_copy(update=changes), "setldetail": []})

    def _reversal(self, request: Request[Any]) -> Message:
        self.reversed.add(request.input.data.omsgid)
        self.settled.pop(request.input.data.omsgid, None)
        return ReversalOutput()


def _line(detail: Any) -> FeeLine:
    extension = detail.expContent
    return FeeLine(detail.feedetl_sn, detail.det_item_fee_sumamt, extension.chrgitm_lv, extension.selfpay_prop)


def _refused(reason: MedicalRefusal) -> HostRefused:
    return HostRefused(Problem(title="no", status=409, reason=reason))


@dataclass
class Lossy:
    """A line to ``host`` that is cut at its n-th message for ``length`` messages: before the host hears it, or after."""

    host: Callable[[Any], Message]
    cut_at: int
    length: int
    host_hears: bool
    count: int = 0

    def __call__(self, message: Any) -> Message:
        number, self.count = self.count, self.count + 1
        if not self.cut_at <= number < self.cut_at + self.length:
            return self.host(message)
        if self.host_hears:
            with contextlib.suppress(HostRefused):
                self.host(message)
        raise HostSilent("cut")


ITEMS = (
    FeeItem(code="A1", name="血常规", price=yuan("20"), count=Decimal(1), item_class=ItemClass.A),
    FeeItem(code="B1", name="阿莫西林", price=yuan("12.35"), count=Decimal("2.5"), item_class=ItemClass.B),
    FeeItem(code="C1", name="护理垫", price=yuan("9.99"), count=Decimal(3), item_class=ItemClass.C),
    FeeItem(code="A2", name="CT", price=yuan("2000"), count=Decimal(1), item_class=ItemClass.A),
)
TOTAL = sum((item.total for item in ITEMS), start=ZERO)
SETUP = HospitalSetup(device="HOSP-1-01", institution="hospital-1", number=1, region=REGION, department=("03", "内科"))


@pytest.fixture
def fund() -> StubFund:
    return StubFund()


@pytest.fixture
def card() -> StubCard:
    return StubCard()


@pytest.fixture
def make_desk(tmp_path: Path, fund: StubFund) -> Iterator[Callable[..., HospitalDesk]]:
    """A desk over the same store each time: asking again is a restart."""
    stores: list[VisitStore] = []

    def make(host: Any = fund, sam: Any = None) -> HospitalDesk:
        stores.append(VisitStore(tmp_path / "visits.db"))
        return HospitalDesk(SETUP, store=stores[-1], host=host, sam=sam or StubSam())

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def items() -> tuple[FeeItem, ...]:
    return ITEMS


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def lossy() -> Callable[..., Lossy]:
    return Lossy


@pytest.fixture
def make_sam() -> Callable[..., StubSam]:
    return StubSam


@pytest.fixture
def setup_of_desk() -> HospitalSetup:
    return SETUP
