"""The desk's requests, filled in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.base import Message
from rulebook.messages.medical import (
    REQUESTS,
    AccountUse,
    CancelData,
    CancelInput,
    FeeDetail,
    FeeLineExtension,
    FeeLinesInput,
    Infno,
    InsuranceInfo,
    MedicalType,
    PersonData,
    PersonInput,
    RegisterData,
    RegisterInput,
    Request,
    ReversalData,
    ReversalInput,
    SettleData,
    SettleInput,
)
from rulebook.money import ZERO
from terminals.dialogues.read_identity import Identity
from terminals.hospital.results import FeeItem

BATCH = "1"  # a visit is charged in one batch


@dataclass(frozen=True, slots=True, kw_only=True)
class HospitalSetup:
    """The desk as configured. ``institution`` is at most 12 characters (it begins every msgid), ``number`` the desk's own
    among the institution's, 0 to 99; ``region`` six digits; ``department`` code and name."""

    device: str
    institution: str
    number: int
    region: str
    department: tuple[str, str]

    def __post_init__(self) -> None:
        if not 0 <= self.number <= 99:
            raise ValueError(f"desk number is {self.number}; it must be 0 to 99, different at each desk")
        if len(self.institution) > 12:
            raise ValueError(
                f"institution {self.institution!r} has more than 12 characters, the place it has in a msgid"
            )


@dataclass(frozen=True, slots=True)
class Forms:
    """``numbers`` counts the desk's messages; two of them in one second differ by it."""

    setup: HospitalSetup
    now: datetime
    numbers: Iterator[int]

    def request(self, infno: Infno, content: Message, **fields: Any) -> Request[Any]:
        local = self.now.astimezone(BUSINESS_ZONE)
        serial = f"{self.setup.number:02d}{next(self.numbers) % 100:02d}"
        return REQUESTS[infno](
            infno=infno,
            msgid=f"{self.setup.institution}{local:%Y%m%d%H%M%S}{serial}",
            insuplc_admdvs=fields.pop("region", self.setup.region),
            inf_time=self.now,
            fixmedins_code=self.setup.institution,
            input=content,
            **fields,
        )

    def person(self, identity: Identity) -> Request[PersonInput]:
        data = PersonData(
            mdtrt_cert_no=identity.issuer.card_number,
            card_sn=identity.issuer.identification_code.hex().upper(),
            begntime=self.now,
        )
        content = PersonInput(data=data)
        return self.request(Infno.PERSON, content, presence=identity.presence, region=identity.region)

    def register(self, visit: str, person: str, card_number: str, insurance: InsuranceInfo) -> Request[RegisterInput]:
        code, name = self.setup.department
        data = RegisterData(
            psn_no=person,
            insutype=insurance.insutype,
            begntime=self.now,
            mdtrt_cert_no=card_number,
            ipt_otp_no=visit,
            dept_code=code,
            dept_name=name,
        )
        return self.request(Infno.REGISTER, RegisterInput(data=data))

    def fee_lines(self, visit: str, person: str, items: Sequence[FeeItem]) -> Request[FeeLinesInput]:
        details = [
            FeeDetail(
                feedetl_sn=f"{number:03d}",
                mdtrt_id=visit,
                psn_no=person,
                chrg_bchno=BATCH,
                fee_ocur_time=self.now,
                med_list_codg=item.code,
                medins_list_codg=item.code,
                det_item_fee_sumamt=item.total,
                cnt=item.count,
                pric=item.price,
                expContent=FeeLineExtension(chrgitm_lv=item.item_class, selfpay_prop=item.first_self_pay),
            )
            for number, item in enumerate(items, start=1)
        ]
        return self.request(Infno.FEE_LINES, FeeLinesInput(feedetail=details))

    def settle_data(
        self,
        visit: str,
        person: str,
        card_number: str,
        *,
        items: Sequence[FeeItem],
        insurance: InsuranceInfo,
        care: MedicalType,
        account: AccountUse,
    ) -> SettleInput:
        """The same for 2206 and 2207."""
        return SettleInput(
            data=SettleData(
                psn_no=person,
                mdtrt_cert_no=card_number,
                med_type=care,
                medfee_sumamt=sum((item.total for item in items), start=ZERO),
                mdtrt_id=visit,
                chrg_bchno=BATCH,
                acct_used_flag=account,
                insutype=insurance.insutype,
            )
        )

    def cancel(self, settlement: str, visit: str, person: str) -> Request[CancelInput]:
        data = CancelData(setl_id=settlement, mdtrt_id=visit, psn_no=person)
        return self.request(Infno.SETTLE_CANCEL, CancelInput(data=data))

    def reversal(self, unanswered: Request[Any]) -> Request[ReversalInput]:
        data = ReversalData(psn_no=unanswered.input.data.psn_no, omsgid=unanswered.msgid, oinfno=unanswered.infno)
        return self.request(Infno.REVERSAL, ReversalInput(data=data))
