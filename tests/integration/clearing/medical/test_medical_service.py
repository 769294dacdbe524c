"""The fund's side of a visit on a real PostgreSQL: presence, eligibility, settlement, repeats, cancellation, reversal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.benefits.office import (
    CHALLENGE_LASTS,
    CLOCKS_AGREE_WITHIN,
    PRESENCE_LASTS,
    FundOffice,
    MedicalRefused,
)
from clearing.benefits.tables import CancellationRow, SettlementRow, YearRow
from clearing.facts import queries as known_facts
from clearing.facts.service import apply_fact
from clearing.ledger.accounts import Kind, code, medical_book
from clearing.ledger.service import balances, close_chain, verify
from clearing.ledger.tables import TransferRow
from rulebook.messages.facts import CardState, FeedItem, InsuredFact
from rulebook.messages.medical import AccountUse, Infno, InsuranceType, ItemClass, MedicalRefusal, MedicalType
from rulebook.money import yuan

R = MedicalRefusal
NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)  # as in conftest
BOOK = medical_book("employee-fund")
POOL, ACCOUNT, HOSPITAL = (
    code(Kind.FUND_POOL),
    code(Kind.PERSONAL_ACCOUNT, "p1"),
    code(Kind.HOSPITAL_PAYABLE, "hospital-1"),
)
LINES = [("2000", ItemClass.A), ("1000", ItemClass.B), ("50", ItemClass.C)]


async def standing(session: AsyncSession) -> dict[str, str]:
    assert await verify(session, BOOK) == []
    return {each.account.code: str(each.balance) for each in await balances(session, BOOK)}


async def refusal(sending: Any) -> MedicalRefusal:
    with pytest.raises(MedicalRefused) as caught:
        await sending
    return caught.value.reason


async def test_a_visit_is_settled_to_the_cent_and_the_money_moves(counter: Any) -> None:
    person = await counter.present()
    request = await counter.visit(person, LINES)
    answer = await counter.send(request)
    info = answer.output.setlinfo
    assert (info.fulamt_ownpay_amt, info.preselfpay_amt, info.inscp_scp_amt) == (yuan("50"), yuan("100"), yuan("2900"))
    assert (info.act_pay_dedc, info.hifp_pay) == (yuan("1800"), yuan("770"))  # (2900 - 1800) × 70 %
    assert (info.acct_pay, info.psn_cash_pay, info.balc) == (yuan("300"), yuan("1980"), yuan("0"))
    assert info.setl_id == info.medins_setl_id == request.msgid
    moved = await standing(counter.session)
    assert (moved[POOL], moved[ACCOUNT], moved[HOSPITAL]) == ("99230.00", "0.00", "1070.00")


async def test_the_answer_keeps_the_national_identities(counter: Any) -> None:
    answer = await counter.send(await counter.visit(await counter.present(), LINES))
    info = answer.output.setlinfo
    in_parts = info.fulamt_ownpay_amt + info.overlmt_selfpay + info.preselfpay_amt + info.inscp_scp_amt
    assert info.medfee_sumamt == in_parts
    assert info.fund_pay_sumamt == info.hifp_pay + info.hifob_pay
    assert info.psn_part_amt == info.medfee_sumamt - info.fund_pay_sumamt == info.acct_pay + info.psn_cash_pay
    for column, whole in (("fund_payamt", info.fund_pay_sumamt), ("psn_part_amt", info.psn_part_amt)):
        assert sum((getattr(share, column) for share in answer.output.feeshare), start=yuan("0")) == whole
    told = [step.setl_proc_info.split(" | ") for step in answer.output.setldetail]
    chinese, english = (
        "统筹基金（20000.00 元以内部分）：1100.00 元 × 70% = 770.00 元",
        "fund (part up to 20000.00): 1100.00 × 70% = 770.00",
    )
    assert [chinese, english] in told


async def test_a_quote_says_what_settling_answers_and_changes_nothing(counter: Any) -> None:
    person = await counter.present()
    settle = await counter.visit(person, LINES)
    before = await standing(counter.session)
    quoted = await counter.send(counter.settle_request(person, "3050", infno=Infno.PRE_SETTLE))
    assert await standing(counter.session) == before
    assert await counter.session.scalar(select(func.count()).select_from(YearRow)) == 0
    settled = (await counter.send(settle)).output
    same = {"setl_id": "", "medins_setl_id": ""}
    assert quoted.output.setlinfo.model_copy(update=same) == settled.setlinfo.model_copy(update=same)
    assert quoted.output.setldetail == settled.setldetail


async def test_the_year_accumulates_over_visits(counter: Any) -> None:
    person = await counter.present()
    await counter.send(await counter.visit(person, [("1000", ItemClass.A)], visit="V1"))
    second = await counter.send(await counter.visit(person, [("1000", ItemClass.A)], visit="V2"))
    assert second.output.setlinfo.act_pay_dedc == yuan("800")
    assert second.output.setlinfo.hifp_pay == yuan("140")


@pytest.mark.parametrize("kind", ["person", "register", "lines", "settle", "cancel", "reversal"])
async def test_a_repeat_is_answered_as_before_and_changes_nothing(counter: Any, kind: str) -> None:
    person_request = counter.person_request(await counter.challenge(), bytes(7) + b"\x01")
    sent = {"person": person_request}
    answers = {"person": await counter.send(person_request)}
    sent["register"] = counter.register_request("p1")
    sent["lines"] = counter.lines_request("p1", LINES)
    sent["settle"] = counter.settle_request("p1", "3050")
    sent["cancel"] = counter.cancel_request("p1", sent["settle"].msgid)
    again = counter.settle_request("p1", "3050")
    sent["reversal"] = counter.reversal_request("p1", again.msgid)
    for name in ("register", "lines", "settle", "cancel"):
        answers[name] = await counter.send(sent[name])
    await counter.send(again)
    answers["reversal"] = await counter.send(sent["reversal"])
    before = await standing(counter.session)
    assert await counter.send(sent[kind], sent[kind].inf_time + timedelta(days=1)) == answers[kind]
    assert await standing(counter.session) == before


async def test_a_repeat_with_other_content_is_refused(counter: Any) -> None:
    person = await counter.present()
    request = await counter.visit(person, LINES)
    await counter.send(request)
    data = request.input.data.model_copy(update={"acct_used_flag": AccountUse.NO})
    other = request.model_copy(update={"input": request.input.model_copy(update={"data": data})})
    assert await refusal(counter.send(other)) is R.REPEATED_WITH_OTHER_CONTENT


async def test_a_wrong_authentication_answer_is_refused_and_its_challenge_is_spent(counter: Any) -> None:
    challenge, chip = await counter.challenge(), bytes(7) + b"\x01"
    assert await refusal(counter.send(counter.person_request(challenge, chip, bytes(8)))) is R.AUTHENTICATION_WRONG
    assert await refusal(counter.send(counter.person_request(challenge, chip))) is R.CHALLENGE_USED


async def test_another_cards_answer_is_refused(counter: Any) -> None:
    challenge = await counter.challenge()
    theirs = counter.person_request(challenge, bytes(7) + b"\x02").presence.answer
    assert await refusal(counter.send(counter.person_request(challenge, bytes(7) + b"\x01", theirs))) is (
        R.AUTHENTICATION_WRONG
    )


async def test_a_replayed_presence_is_refused(counter: Any) -> None:
    request = counter.person_request(await counter.challenge(), bytes(7) + b"\x01")
    await counter.send(request)
    replayed = request.model_copy(update={"msgid": "hospital-1202609151000009999"})
    assert await refusal(counter.send(replayed)) is R.CHALLENGE_USED


async def test_a_challenge_of_another_desk_or_of_nobody_is_refused(
    counter: Any, counter_at: Callable[[str, str], Any]
) -> None:
    other = counter_at("HOSP-1-02", "hospital-1")
    chip = bytes(7) + b"\x01"
    assert await refusal(counter.send(counter.person_request(await other.challenge(), chip))) is R.CHALLENGE_UNKNOWN
    assert await refusal(counter.send(counter.person_request(bytes(16), chip))) is R.CHALLENGE_UNKNOWN


async def test_a_challenge_is_good_for_a_short_while(counter: Any) -> None:
    request = counter.person_request(await counter.challenge(), bytes(7) + b"\x01")
    late = request.inf_time + CHALLENGE_LASTS + timedelta(seconds=1)
    assert await refusal(counter.send(request, late)) is R.CHALLENGE_EXPIRED


async def test_challenges_come_from_the_offices_random_source(counter: Any, office: FundOffice) -> None:
    counter.office = dataclasses.replace(office, random=lambda length: b"\x5a" * length)
    assert await counter.challenge() == b"\x5a" * 16


@pytest.mark.parametrize(("chip", "reason"), [(9, R.CARD_UNKNOWN), (3, R.CARD_NOT_ACTIVE), (4, R.NOT_INSURED)], ids=str)
async def test_who_is_not_entitled_is_told_why(counter: Any, chip: int, reason: MedicalRefusal) -> None:
    request = counter.person_request(await counter.challenge(), chip.to_bytes(8, "big"))
    assert await refusal(counter.send(request)) is reason


async def test_registering_needs_a_proven_presence_a_short_while_ago(counter: Any) -> None:
    assert await refusal(counter.send(counter.register_request("p1"))) is R.PRESENCE_NOT_PROVEN
    await counter.present()
    late = counter.register_request("p1").inf_time + PRESENCE_LASTS + timedelta(seconds=1)
    assert await refusal(counter.send(counter.register_request("p1"), late)) is R.PRESENCE_NOT_PROVEN


async def test_a_presence_opens_one_visit(counter: Any) -> None:
    await counter.present()
    await counter.send(counter.register_request("p1", "V1"))
    assert await refusal(counter.send(counter.register_request("p1", "V2"))) is R.PRESENCE_NOT_PROVEN
    await counter.present()
    await counter.send(counter.register_request("p1", "V2"))


async def test_a_refused_proof_is_not_kept_for_a_better_day(counter: Any) -> None:
    lost = counter.person_request(await counter.challenge(), bytes(7) + b"\x03")
    assert await refusal(counter.send(lost)) is R.CARD_NOT_ACTIVE
    card = await known_facts.card_by_chip(counter.session, bytes(7) + b"\x03")
    assert card is not None
    found = card.model_copy(update={"state": CardState.ACTIVE})
    await apply_fact(counter.session, FeedItem(number=8, fact=found))
    assert await refusal(counter.send(lost, NOW + CHALLENGE_LASTS * 2)) is R.CHALLENGE_EXPIRED
    assert await counter.present(bytes(7) + b"\x03") == "p3"


async def test_who_has_left_the_insurance_is_told_so(counter: Any) -> None:
    await counter.present()
    left = InsuredFact(person="p1", fund="", insured_class="none", effective=NOW)
    await apply_fact(counter.session, FeedItem(number=8, fact=left))
    assert await refusal(counter.present()) is R.NOT_INSURED
    assert await refusal(counter.send(counter.register_request("p1"))) is R.NOT_INSURED


@pytest.mark.parametrize("wrong", [timedelta(days=-365), -CLOCKS_AGREE_WITHIN * 2, CLOCKS_AGREE_WITHIN * 2], ids=str)
async def test_the_day_of_a_visit_is_not_the_desks_to_choose(counter: Any, wrong: timedelta) -> None:
    await counter.present()
    assert await refusal(counter.send(counter.register_request("p1", begntime=NOW + wrong))) is R.CLOCK_DIFFERS
    await counter.send(counter.register_request("p1", begntime=NOW + CLOCKS_AGREE_WITHIN))


async def test_a_hospital_the_fund_does_not_pay_is_told_so(counter_at: Callable[[str, str], Any]) -> None:
    stranger = counter_at("HOSP-9-01", "hospital-9")
    request = await stranger.visit(await stranger.present(), LINES)
    assert await refusal(stranger.send(request)) is R.NO_CONTRACT


async def test_a_new_year_begins_with_a_new_deductible(counter: Any) -> None:
    async def deductible(visit: str, now: datetime) -> str:
        await counter.present(now=now)
        await counter.send(counter.register_request("p1", visit, begntime=now), now)
        await counter.send(counter.lines_request("p1", [("1000", ItemClass.A)], visit=visit), now)
        answer = await counter.send(counter.settle_request("p1", "1000", visit=visit), now)
        return str(answer.output.setlinfo.act_pay_dedc)

    midnight = datetime(2026, 12, 31, 16, tzinfo=UTC)  # in the city
    moments = (midnight - timedelta(days=1), midnight - timedelta(seconds=1), midnight)
    found = [await deductible(f"V{number}", moment) for number, moment in enumerate(moments)]
    assert found == ["1000.00", "800.00", "1000.00"]


async def test_the_class_at_registering_decides(counter: Any) -> None:
    """Who turns 70 is another class when the register says so, from the next visit on."""
    before = await counter.visit("p1", LINES, visit="V1")
    older = InsuredFact(person="p1", fund="employee-fund", insured_class="retired_70_plus", effective=NOW)
    await apply_fact(counter.session, FeedItem(number=8, fact=older))
    assert (await counter.send(before)).output.setlinfo.hifp_pay == yuan("770")  # in service: (2900 - 1800) × 70 %
    after = await counter.send(await counter.visit("p1", LINES, visit="V2"))
    # The year goes on: 1800 is already above the 1300 of the new class.
    assert (after.output.setlinfo.act_pay_dedc, after.output.setlinfo.hifp_pay) == (yuan("0"), yuan("2610"))


async def test_a_presence_is_for_one_person_at_one_desk(counter: Any, counter_at: Callable[[str, str], Any]) -> None:
    await counter.present(bytes(7) + b"\x02")
    await counter_at("HOSP-1-02", "hospital-1").present(bytes(7) + b"\x01")
    assert await refusal(counter.send(counter.register_request("p1"))) is R.PRESENCE_NOT_PROVEN
    await counter.send(counter.register_request("p2"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"visit": "V9"}, R.VISIT_UNKNOWN),
        ({"batch": "9"}, R.FEE_LINES_MISSING),
        ({"person": "p2"}, R.WRONG_PERSON),
        ({"total": "3049.99"}, R.TOTAL_DIFFERS),
        ({"insutype": InsuranceType.RESIDENT}, R.NO_POLICY),
    ],
    ids=["visit", "batch", "person", "total", "insurance"],
)
async def test_a_settlement_that_does_not_fit_is_refused(
    counter: Any, changes: dict[str, Any], reason: MedicalRefusal
) -> None:
    person = await counter.present()
    await counter.visit(person, LINES)
    given = {"person": person, "total": "3050", **changes}
    assert await refusal(counter.send(counter.settle_request(**given))) is reason
    assert (await standing(counter.session))[HOSPITAL] == "0.00"


async def test_a_batch_is_settled_once(counter: Any) -> None:
    person = await counter.present()
    await counter.send(await counter.visit(person, LINES))
    assert await refusal(counter.send(counter.settle_request(person, "3050"))) is R.ALREADY_SETTLED
    lines = counter.lines_request(person, [("1", ItemClass.A)] * 4)
    assert await refusal(counter.send(lines)) is R.FEE_LINES_CHANGED


async def test_a_stay_is_billed_once_an_outpatient_visit_in_batches(counter: Any) -> None:
    person = await counter.present()
    await counter.visit(person, [("50000", ItemClass.A)])
    await counter.send(counter.lines_request(person, [("1000", ItemClass.A)], batch="2"))
    first, second = (
        counter.settle_request(person, total, batch=batch, med_type=MedicalType.INPATIENT)
        for total, batch in (("50000", "1"), ("1000", "2"))
    )
    await counter.send(first)
    assert await refusal(counter.send(second)) is R.ALREADY_SETTLED
    outpatient = counter.settle_request(person, "1000", batch="2")
    await counter.send(outpatient)
    await counter.send(counter.cancel_request(person, outpatient.msgid))
    await counter.send(counter.cancel_request(person, first.msgid))
    await counter.send(counter.settle_request(person, "1000", batch="2", med_type=MedicalType.INPATIENT))


async def test_a_fund_without_cover_settles_nothing(counter: Any) -> None:
    request = await counter.visit(await counter.present(), [("200000", ItemClass.A)])
    assert await refusal(counter.send(request)) is R.FUND_WITHOUT_COVER
    assert await counter.session.scalar(select(func.count()).select_from(SettlementRow)) == 0


async def test_an_institution_speaks_for_itself_only(counter: Any) -> None:
    request = counter.register_request("p1").model_copy(update={"fixmedins_code": "hospital-2"})
    assert await refusal(counter.send(request)) is R.WRONG_INSTITUTION


async def test_a_cancelled_settlement_leaves_everything_as_before(counter: Any) -> None:
    person = await counter.present()
    settle = await counter.visit(person, LINES)
    before = await standing(counter.session)
    settled = (await counter.send(settle)).output.setlinfo
    taken_back = (await counter.send(counter.cancel_request(person, settle.msgid))).output.setlinfo
    assert taken_back.medfee_sumamt == -settled.medfee_sumamt
    assert taken_back.balc == yuan("300")
    assert await standing(counter.session) == before
    again = (await counter.send(counter.settle_request(person, "3050"))).output.setlinfo
    assert again.hifp_pay == settled.hifp_pay
    assert await refusal(counter.send(counter.cancel_request(person, settle.msgid))) is R.SETTLEMENT_UNKNOWN


async def test_only_the_latest_settlement_of_the_year_is_cancelled(counter: Any) -> None:
    person = await counter.present()
    first = await counter.visit(person, LINES, visit="V1")
    second = await counter.visit(person, LINES, visit="V2")
    await counter.send(first)
    await counter.send(second)
    cancel = counter.cancel_request(person, first.msgid)
    assert await refusal(counter.send(cancel)) is R.LATER_SETTLEMENT_EXISTS
    await counter.send(counter.cancel_request(person, second.msgid, visit="V2"))
    await counter.send(cancel)
    years = (await counter.session.scalars(select(YearRow))).all()
    assert {(row.in_scope, row.deductible, row.fund, row.stays) for row in years} == {(0, 0, 0, 0)}


async def test_what_is_taken_back_after_the_window_closed_stands_in_the_next(counter: Any) -> None:
    person = await counter.present()
    settle = await counter.visit(person, LINES)
    await counter.send(settle)
    closed = await close_chain(counter.session, BOOK, 1)
    next_day = NOW + timedelta(days=1)
    await counter.send(counter.cancel_request(person, settle.msgid), next_day)
    parts = [f"medical:hospital-1:{settle.msgid}:{part}" for part in ("account", "fund")]
    assert set(parts) < {link.transfer_id for link in closed}
    opened = await close_chain(counter.session, BOOK, 2)
    assert sorted(link.transfer_id for link in opened) == [f"{part}:reversal" for part in parts]
    days = select(TransferRow.business_day).where(TransferRow.id.in_([link.transfer_id for link in opened]))
    assert set(await counter.session.scalars(days)) == {next_day.date()}
    assert await verify(counter.session, BOOK) == []


async def test_an_unanswered_settlement_is_reversed(counter: Any) -> None:
    person = await counter.present()
    settle = await counter.visit(person, LINES)
    before = await standing(counter.session)
    await counter.send(settle)
    await counter.send(counter.reversal_request(person, settle.msgid))
    assert await standing(counter.session) == before
    assert await refusal(counter.send(settle)) is R.REVERSED_BEFORE
    row = (await counter.session.scalars(select(CancellationRow))).one()
    assert (row.setl_id, row.cause) == (settle.msgid, "2601")


async def test_a_settlement_that_comes_after_its_reversal_has_no_effect(counter: Any) -> None:
    person = await counter.present()
    settle = await counter.visit(person, LINES)
    before = await standing(counter.session)
    await counter.send(counter.reversal_request(person, settle.msgid))
    assert await refusal(counter.send(settle)) is R.REVERSED_BEFORE
    assert await standing(counter.session) == before
    await counter.send(counter.settle_request(person, "3050"))


async def test_only_settlements_are_reversed(counter: Any) -> None:
    request = counter.reversal_request("p1", "hospital-1202609151000000001", Infno.REGISTER)
    assert await refusal(counter.send(request)) is R.NOT_REVERSIBLE


async def test_an_inpatient_stay_is_paid_by_bands(counter: Any) -> None:
    person = await counter.present()
    await counter.visit(person, [("50000", ItemClass.A)])
    request = counter.settle_request(person, "50000", med_type=MedicalType.INPATIENT, acct_used_flag=AccountUse.NO)
    info = (await counter.send(request)).output.setlinfo
    assert (info.hifp_pay, info.acct_pay, info.psn_cash_pay) == (yuan("42895"), yuan("0"), yuan("7105"))


@pytest.mark.parametrize("table", ["medical_settlement", "medical_cancellation", "medical_fee_line", "medical_visit"])
@pytest.mark.parametrize("act", ["DELETE FROM", "UPDATE"])
async def test_what_money_followed_from_cannot_be_changed(fund: AsyncSession, table: str, act: str) -> None:
    change = " SET institution = 'x'" if act == "UPDATE" else ""
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with fund.begin_nested():
            await fund.execute(text(f"{act} clearing.{table}{change}"))
