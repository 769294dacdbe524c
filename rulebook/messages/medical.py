"""Medical settlement between a hospital desk and the fund, in the national field names (NHSA interfaces 11xx, 22xx, 32xx).

Source of names: public hospital systems, collected in nhsa_interface_fields.csv (field names are facts). What is ours:

- Ids come from the originator. ``mdtrt_id`` (visit) is the hospital's own ``ipt_otp_no``, ``setl_id`` (settlement) is the
  ``msgid`` of its 2207. The national platform would assign both and a lost answer would lose them.
- ``Request.presence``: the card's proof of presence. The national envelope has no place for it.
- ``FeeLineExtension``: the hospital says an item's class, because there is no catalogue at the fund yet.
- ``SettlementOutput.feeshare``: the national answer has totals only, the patient's receipt wants lines.
- 3202 carries the rows of the national upload and result file (9101, 9102) inside the message.
- No name and no citizen id travels: the desk reads both from the card, the fund knows a person by token (``psn_no``).

Amounts are yuan with two places, as decimal *strings* on the wire (``"12.34"``); JSON numbers are read too, exactly, by
``parse``. Times are local (UTC+8) ``yyyy-MM-dd HH:mm:ss``.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum, unique
from fractions import Fraction
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import Field, model_validator

from rulebook.messages.base import Hex, Message
from rulebook.messages.medical_values import Charge, Code, Id, LocalTime, Person, Rate, Yuan
from rulebook.money import Rounding

CHALLENGE_LENGTH = 16


@unique
class Infno(StrEnum):
    """The national number of an interface."""

    PERSON = "1101"
    REGISTER = "2201"
    FEE_LINES = "2204"
    PRE_SETTLE = "2206"
    SETTLE = "2207"
    SETTLE_CANCEL = "2208"
    REVERSAL = "2601"
    TOTAL_RECONCILIATION = "3201"
    DETAIL_RECONCILIATION = "3202"


@unique
class InsuranceType(StrEnum):
    """insutype."""

    EMPLOYEE = "310"
    RESIDENT = "390"


@unique
class MedicalType(StrEnum):
    """med_type, and clr_type of the same care."""

    OUTPATIENT = "11"
    INPATIENT = "21"


@unique
class ItemClass(StrEnum):
    """chrgitm_lv: class A is wholly in scope, class B after a first self-pay, class C not at all."""

    A = "01"
    B = "02"
    C = "03"


@unique
class CertificateType(StrEnum):
    """mdtrt_cert_type; only the card is taken."""

    SOCIAL_SECURITY_CARD = "03"


@unique
class AccountUse(StrEnum):
    """acct_used_flag: may the personal account pay?"""

    NO = "0"
    YES = "1"


@unique
class StatementResult(StrEnum):
    """stmt_rslt. Provinces differ (000000 in one); this dictionary is ours."""

    BALANCED = "0"
    DIFFERENT = "1"
    MISSING_AT_FUND = "2"
    MISSING_AT_HOSPITAL = "3"


@unique
class MedicalRefusal(StrEnum):
    """Why the fund says no, in order of precedence. The problem document's ``reason``."""

    WRONG_INSTITUTION = "wrong_institution"
    CHALLENGE_UNKNOWN = "challenge_unknown"
    CHALLENGE_USED = "challenge_used"
    CHALLENGE_EXPIRED = "challenge_expired"
    REPEATED_WITH_OTHER_CONTENT = "repeated_with_other_content"
    REVERSED_BEFORE = "reversed_before"
    CARD_UNKNOWN = "card_unknown"
    AUTHENTICATION_WRONG = "authentication_wrong"
    CARD_NOT_ACTIVE = "card_not_active"
    NOT_INSURED = "not_insured"
    PRESENCE_NOT_PROVEN = "presence_not_proven"
    CLOCK_DIFFERS = "clock_differs"
    VISIT_UNKNOWN = "visit_unknown"
    WRONG_PERSON = "wrong_person"
    NO_CONTRACT = "no_contract"
    FEE_LINES_MISSING = "fee_lines_missing"
    FEE_LINES_CHANGED = "fee_lines_changed"
    TOTAL_DIFFERS = "total_differs"
    ALREADY_SETTLED = "already_settled"
    NO_POLICY = "no_policy"
    SETTLEMENT_UNKNOWN = "settlement_unknown"
    LATER_SETTLEMENT_EXISTS = "later_settlement_exists"
    NOT_REVERSIBLE = "not_reversible"
    FUND_WITHOUT_COVER = "fund_without_cover"


class PresenceChallengeRequest(Message):
    """``POST /medical/challenges``."""

    device: str


class PresenceChallenge(Message):
    """R1 ‖ R2 for INTERNAL AUTHENTICATE (standards.md §5.5), 16 bytes, good once and until ``expires_at``."""

    challenge: Hex
    expires_at: datetime


class Presence(Message):
    """What the card answered: DES(3DES(IRK, R1), R2), 8 bytes; ``chip_serial`` is the last 8 historical bytes of its ATR."""

    challenge: Hex
    chip_serial: Hex
    answer: Hex


InputT = TypeVar("InputT", bound=Message)
OutputT = TypeVar("OutputT", bound=Message)


class Request(Message, Generic[InputT]):
    """The national envelope. ``msgid`` is made and stored by the desk before it sends: fixmedins_code ‖ yyyyMMddHHmmss ‖
    4 digits. A repeat with equal content is answered as before, with other content refused."""

    infno: Infno
    msgid: Id
    insuplc_admdvs: Annotated[str, Field(pattern=r"^\d{6}$")]
    inf_time: LocalTime
    fixmedins_code: Id
    presence: Presence | None = None
    input: InputT


class Answer(Message, Generic[OutputT]):
    """``infcode`` 0 is success. A refusal is no answer but a problem document."""

    infcode: str = "0"
    inf_refmsgid: str
    respond_time: LocalTime
    output: OutputT


# --- 1101 person ---------------------------------------------------------------------------------------------------


class PersonData(Message):
    mdtrt_cert_type: CertificateType = CertificateType.SOCIAL_SECURITY_CARD
    mdtrt_cert_no: Code
    card_sn: Annotated[str, Field(max_length=32)]
    begntime: LocalTime


class PersonInput(Message):
    data: PersonData


class BaseInfo(Message):
    psn_no: Person


class InsuranceInfo(Message):
    """``balc``: the personal account. ``psn_type``: 11 in service, 12 retired (the policy's table maps our insured classes)."""

    balc: Yuan
    insutype: InsuranceType
    psn_type: str
    psn_insu_stas: str = "1"
    insuplc_admdvs: str


class PersonOutput(Message):
    baseinfo: BaseInfo
    insuinfo: list[InsuranceInfo]


# --- 2201 register -------------------------------------------------------------------------------------------------


class RegisterData(Message):
    psn_no: Person
    insutype: InsuranceType
    begntime: LocalTime
    mdtrt_cert_type: CertificateType = CertificateType.SOCIAL_SECURITY_CARD
    mdtrt_cert_no: Code
    ipt_otp_no: Id
    dept_code: Id
    dept_name: Annotated[str, Field(max_length=50)]


class RegisterInput(Message):
    data: RegisterData


class RegisteredData(Message):
    mdtrt_id: Id
    psn_no: Person
    ipt_otp_no: Id


class RegisterOutput(Message):
    data: RegisteredData


# --- 2204 fee lines ------------------------------------------------------------------------------------------------


class FeeLineExtension(Message):
    """Ours: the item's class as the hospital knows it. ``selfpay_prop`` is an item's own first self-pay; without it
    the policy's rate for class B holds."""

    chrgitm_lv: ItemClass
    selfpay_prop: Rate | None = None


class FeeDetail(Message):
    """``det_item_fee_sumamt`` is ``pric`` × ``cnt``, rounded half up to the fen: a patient can work every line out."""

    feedetl_sn: Id
    mdtrt_id: Id
    psn_no: Person
    chrg_bchno: Id
    fee_ocur_time: LocalTime
    med_list_codg: Code
    medins_list_codg: Id
    det_item_fee_sumamt: Charge
    cnt: Annotated[Decimal, Field(gt=0, max_digits=16, decimal_places=4)]
    pric: Charge
    expContent: FeeLineExtension  # noqa: N815 — the national name

    @model_validator(mode="after")
    def _is_the_product(self) -> Self:
        product = self.pric.share(Fraction(self.cnt), Rounding.HALF_UP)
        if self.det_item_fee_sumamt != product:
            raise ValueError(
                f"fee line {self.feedetl_sn}: det_item_fee_sumamt is {self.det_item_fee_sumamt}, "
                f"but pric × cnt is {self.pric} × {self.cnt} = {product}; correct one of them"
            )
        return self


class FeeLinesInput(Message):
    feedetail: Annotated[list[FeeDetail], Field(min_length=1)]


class FeeResult(Message):
    feedetl_sn: Id
    det_item_fee_sumamt: Yuan
    cnt: Decimal
    pric: Yuan
    selfpay_prop: Rate
    fulamt_ownpay_amt: Yuan
    preselfpay_amt: Yuan
    inscp_scp_amt: Yuan
    chrgitm_lv: ItemClass


class FeeLinesOutput(Message):
    result: list[FeeResult]


# --- 2206, 2207, 2208 settlement -----------------------------------------------------------------------------------


class SettleData(Message):
    """2206 and 2207. ``medfee_sumamt`` is what the hospital counts; another sum at the fund refuses."""

    psn_no: Person
    mdtrt_cert_type: CertificateType = CertificateType.SOCIAL_SECURITY_CARD
    mdtrt_cert_no: Code
    med_type: MedicalType
    medfee_sumamt: Yuan
    mdtrt_id: Id
    chrg_bchno: Id
    acct_used_flag: AccountUse
    insutype: InsuranceType


class SettleInput(Message):
    data: SettleData


class SettlementInfo(Message):
    """Identities: medfee = fulamt_ownpay + overlmt_selfpay + preselfpay + inscp_scp; fund_pay_sum = hifp + hifob;
    psn_part = medfee - fund_pay_sum = acct_pay + psn_cash_pay. A cancellation answers the same amounts negative
    (``act_pay_dedc`` too); ``balc`` is the personal account afterwards."""

    mdtrt_id: Id
    setl_id: Id
    psn_no: Person
    insutype: InsuranceType
    psn_type: str
    setl_time: LocalTime
    med_type: MedicalType
    medfee_sumamt: Yuan
    fulamt_ownpay_amt: Yuan
    overlmt_selfpay: Yuan
    preselfpay_amt: Yuan
    inscp_scp_amt: Yuan
    act_pay_dedc: Yuan
    hifp_pay: Yuan
    hifob_pay: Yuan
    fund_pay_sumamt: Yuan
    psn_part_amt: Yuan
    acct_pay: Yuan
    psn_cash_pay: Yuan
    balc: Yuan
    medins_setl_id: Id
    clr_type: MedicalType


class SettlementDetail(Message):
    """One step of the benefit. ``setl_proc_info`` explains it to the cent: Chinese, then ``" | "``, then English."""

    fund_pay_type: str
    inscp_scp_amt: Yuan
    fund_payamt: Yuan
    setl_proc_info: Annotated[str, Field(max_length=4000)]


class FeeShare(Message):
    """Ours: one fee line's part of the settlement; over all lines each column sums to setlinfo's."""

    feedetl_sn: Id
    det_item_fee_sumamt: Yuan
    inscp_scp_amt: Yuan
    fund_payamt: Yuan
    psn_part_amt: Yuan


class SettlementOutput(Message):
    """``feeshare`` is ours; empty for a cancellation, which takes the whole settlement back."""

    setlinfo: SettlementInfo
    setldetail: list[SettlementDetail]
    feeshare: list[FeeShare]


class CancelData(Message):
    setl_id: Id
    mdtrt_id: Id
    psn_no: Person


class CancelInput(Message):
    data: CancelData


# --- 2601 reversal -------------------------------------------------------------------------------------------------


class ReversalData(Message):
    """``omsgid`` got no answer. Whether it arrived or not, afterwards it has no effect and can never get one."""

    psn_no: Person
    omsgid: Id
    oinfno: Infno


class ReversalInput(Message):
    data: ReversalData


class ReversalOutput(Message):
    """Empty, as the national interface."""


# --- 3201, 3202 reconciliation -------------------------------------------------------------------------------------


class TotalsData(Message):
    """One group: insurance type × clearing type × agency × days, both ends included. A settlement adds on its day, a
    cancellation subtracts on its own day; ``fixmedins_setl_cnt`` counts +1 and -1 accordingly."""

    insutype: InsuranceType
    clr_type: MedicalType
    setl_optins: Annotated[str, Field(pattern=r"^\d{6}$")]
    stmt_begndate: date
    stmt_enddate: date
    medfee_sumamt: Yuan
    fund_pay_sumamt: Yuan
    acct_pay: Yuan
    fixmedins_setl_cnt: int


class TotalsInput(Message):
    data: TotalsData


class StatementInfo(Message):
    setl_optins: str
    stmt_rslt: StatementResult
    stmt_rslt_dscr: Annotated[str, Field(max_length=200)]


class TotalsOutput(Message):
    stmtinfo: StatementInfo


class ReconciliationRow(Message):
    """A row of the national upload file; a cancelled settlement is two rows, the second negative with flag 1."""

    setl_id: Id
    mdtrt_id: Id
    psn_no: Person
    medfee_sumamt: Yuan
    fund_pay_sumamt: Yuan
    acct_pay: Yuan
    refd_setl_flag: Annotated[str, Field(pattern="^[01]$")]


class ReconciliationResultRow(Message):
    """A row of the national result file, with the amounts as the fund has them."""

    psn_no: Person
    mdtrt_id: Id
    setl_id: Id
    stmt_rslt: StatementResult
    refd_setl_flag: str
    memo: str
    medfee_sumamt: Yuan
    fund_pay_sumamt: Yuan
    acct_pay: Yuan


class DetailData(Message):
    setl_optins: Annotated[str, Field(pattern=r"^\d{6}$")]
    file_qury_no: Id
    stmt_begndate: date
    stmt_enddate: date
    medfee_sumamt: Yuan
    fund_pay_sumamt: Yuan
    cash_payamt: Yuan
    fixmedins_setl_cnt: int


class DetailInput(Message):
    data: DetailData
    rows: list[ReconciliationRow]


class FileInfo(Message):
    file_qury_no: Id
    filename: str
    dld_endtime: str


class DetailOutput(Message):
    """``rows``: every difference; none when both sides agree."""

    fileinfo: FileInfo
    rows: list[ReconciliationResultRow]


REQUESTS: dict[Infno, type[Request[Any]]] = {
    Infno.PERSON: Request[PersonInput],
    Infno.REGISTER: Request[RegisterInput],
    Infno.FEE_LINES: Request[FeeLinesInput],
    Infno.PRE_SETTLE: Request[SettleInput],
    Infno.SETTLE: Request[SettleInput],
    Infno.SETTLE_CANCEL: Request[CancelInput],
    Infno.REVERSAL: Request[ReversalInput],
    Infno.TOTAL_RECONCILIATION: Request[TotalsInput],
    Infno.DETAIL_RECONCILIATION: Request[DetailInput],
}
ANSWERS: dict[Infno, type[Answer[Any]]] = {
    Infno.PERSON: Answer[PersonOutput],
    Infno.REGISTER: Answer[RegisterOutput],
    Infno.FEE_LINES: Answer[FeeLinesOutput],
    Infno.PRE_SETTLE: Answer[SettlementOutput],
    Infno.SETTLE: Answer[SettlementOutput],
    Infno.SETTLE_CANCEL: Answer[SettlementOutput],
    Infno.REVERSAL: Answer[ReversalOutput],
    Infno.TOTAL_RECONCILIATION: Answer[TotalsOutput],
    Infno.DETAIL_RECONCILIATION: Answer[DetailOutput],
}

M = TypeVar("M", bound=Message)


def parse(kind: type[M], body: bytes | str) -> M:
    """A message from its JSON, numbers read exactly. Raises ``pydantic.ValidationError`` or ``ValueError`` (no JSON)."""
    return kind.model_validate(json.loads(body, parse_float=Decimal))


def to_wire(message: Message) -> bytes:
    """The JSON that ``parse`` reads back; fields without a value are left out. Equal messages give equal bytes."""
    return message.model_dump_json(exclude_none=True).encode()
