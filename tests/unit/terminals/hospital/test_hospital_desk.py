"""A visit at the desk: the good day, every broken step, and what is left to repair."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rulebook.messages.medical import Infno, ItemClass, MedicalRefusal, PresenceChallengeRequest
from rulebook.money import Amount, yuan
from terminals.dialogues.read_identity import SamVerdict
from terminals.hospital import FeeItem, HospitalSetup, RepairOutcome, VisitOutcome, receipt_text
from terminals.hospital.receipt import masked

STEPS_OF_A_VISIT = 7  # challenge, 1101, 2201, 2204, 2206, 2207, and 2601 where it comes to that


def infnos(fund: Any) -> list[str]:
    return [
        "challenge" if isinstance(message, PresenceChallengeRequest) else message.infno.value for message in fund.heard
    ]


def test_a_visit_is_settled(make_desk: Any, card: Any, fund: Any, items: Any, now: Any) -> None:
    result = make_desk().visit(card, items, now)
    assert result.outcome is VisitOutcome.SETTLED
    assert result.visit == "HOSP-1-01-260915-0001"
    assert infnos(fund) == ["challenge", "1101", "2201", "2204", "2206", "2207"]
    info = result.receipt.settlement.setlinfo
    assert list(fund.settled) == [info.setl_id] == [info.medins_setl_id]
    assert info.medfee_sumamt == sum((item.total for item in items), start=Amount(0))


def test_the_card_is_asked_what_the_standard_says(make_desk: Any, card: Any, items: Any, now: Any) -> None:
    make_desk().visit(card, items, now)
    heard = [command.encode().hex().upper() for command in card.heard]
    assert heard[0].startswith("00A404000F7378312E73682EC9E7BBE1B1A3D5CF")
    assert heard[1].startswith("0088000010" + "00" * 15 + "01")
    assert [command.header.hex().upper() for command in card.heard[2:]] == [
        *(f"00B2{number:02X}2C" for number in range(1, 8)),
        *(f"00B2{number:02X}34" for number in range(1, 8)),
    ]


def test_names_and_citizen_ids_stay_at_the_desk(make_desk: Any, card: Any, fund: Any, items: Any, now: Any) -> None:
    result = make_desk().visit(card, items, now)
    told = "".join(str(message) for message in fund.heard)
    assert "张三" not in told
    assert "11010519491231002X" not in told
    assert result.receipt.holder == "张**"


def test_the_patient_may_decline_the_quote(make_desk: Any, card: Any, fund: Any, items: Any, now: Any) -> None:
    quotes: list[Any] = []
    result = make_desk().visit(card, items, now, agree=lambda quote: bool(quotes.append(quote)))
    assert result.outcome is VisitOutcome.DECLINED
    assert quotes[0].setlinfo.psn_cash_pay > yuan("0")
    assert not fund.settled


@pytest.mark.parametrize("step", [Infno.PERSON, Infno.REGISTER, Infno.FEE_LINES, Infno.PRE_SETTLE, Infno.SETTLE])
def test_a_refusal_of_the_fund_ends_the_visit_with_its_reason(
    make_desk: Any, card: Any, fund: Any, items: Any, now: Any, step: Infno
) -> None:
    fund.refuse[step] = MedicalRefusal.CARD_NOT_ACTIVE
    result = make_desk().visit(card, items, now)
    assert (result.outcome, result.step) == (VisitOutcome.REFUSED, step.value)
    assert result.refusal.reason == "card_not_active"
    assert not fund.settled
    assert make_desk().repair(now) == []


@pytest.mark.parametrize("command", range(16))
def test_a_card_pulled_at_any_command_settles_nothing(
    make_desk: Any, card: Any, fund: Any, items: Any, now: Any, command: int
) -> None:
    card.gone_at = command
    result = make_desk().visit(card, items, now)
    assert (result.outcome, result.step) == (VisitOutcome.CARD_FAILED, "card")
    assert infnos(fund) == ["challenge"]


@pytest.mark.parametrize(
    ("ins", "answer", "detail"),
    [(0xA4, "6A82", "file not found"), (0x88, "6A88", "not found"), (0xB2, "01020304" + "9000", "SocialIssuer")],
    ids=["no application", "no key", "no records"],
)
def test_a_card_without_social_security_data_is_said_to_fail(
    make_desk: Any, card: Any, items: Any, now: Any, ins: int, answer: str, detail: str
) -> None:
    card.answers[ins] = bytes.fromhex(answer)
    result = make_desk().visit(card, items, now)
    assert result.outcome is VisitOutcome.CARD_FAILED
    assert detail in result.detail


@pytest.mark.parametrize(
    ("sam", "verdict"),
    [
        ({}, SamVerdict.RIGHT),
        ({"master": b"ANOTHER-MASTER-K"}, SamVerdict.WRONG),
        ({"silent": True}, SamVerdict.NOT_CHECKED),
    ],
    ids=str,
)
def test_the_sam_informs_the_screen_and_the_fund_decides(
    make_desk: Any, make_sam: Any, card: Any, items: Any, now: Any, sam: dict[str, Any], verdict: SamVerdict
) -> None:
    result = make_desk(sam=make_sam(**sam)).visit(card, items, now)
    assert (result.outcome, result.sam_verdict) == (VisitOutcome.SETTLED, verdict)


@pytest.mark.parametrize("host_hears", [False, True], ids=["request lost", "answer lost"])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 99])
@pytest.mark.parametrize("cut_at", range(STEPS_OF_A_VISIT))
def test_a_line_cut_at_any_step_ends_clear_and_both_sides_agree(
    make_desk: Any, card: Any, fund: Any, lossy: Any, items: Any, now: Any, cut_at: int, length: int, host_hears: bool
) -> None:
    host = lossy(fund, cut_at, length, host_hears)
    result = make_desk(host).visit(card, items, now)
    assert result.outcome in VisitOutcome
    repaired = make_desk().repair(now + timedelta(minutes=1))  # after a restart, with the line up again
    assert make_desk().repair(now + timedelta(minutes=2)) == []
    settled = result.outcome is VisitOutcome.SETTLED
    assert bool(fund.settled) == settled
    if result.outcome is VisitOutcome.UNKNOWN:
        assert [each.outcome for each in repaired] == [RepairOutcome.REVERSED]
    else:
        assert repaired == []


def test_one_lost_answer_costs_nothing_but_a_repeat(
    make_desk: Any, card: Any, fund: Any, lossy: Any, items: Any, now: Any
) -> None:
    assert make_desk(lossy(fund, 5, 1, True)).visit(card, items, now).outcome is VisitOutcome.SETTLED
    first, second = (message for message in fund.heard if getattr(message, "infno", None) is Infno.SETTLE)
    assert first == second


def test_a_desk_that_died_after_sending_takes_its_settlement_back(
    make_desk: Any, card: Any, fund: Any, items: Any, now: Any
) -> None:
    class Killed(BaseException):
        pass

    def dying(message: Any) -> Any:
        answer = fund(message)
        if getattr(message, "infno", None) is Infno.SETTLE:
            raise Killed
        return answer

    with pytest.raises(Killed):
        make_desk(dying).visit(card, items, now)
    assert fund.settled
    (repaired,) = make_desk().repair(now)
    assert repaired.outcome is RepairOutcome.REVERSED
    assert not fund.settled


def test_a_settlement_others_were_computed_on_is_kept_and_its_answer_fetched(
    make_desk: Any, card: Any, fund: Any, lossy: Any, items: Any, now: Any
) -> None:
    assert make_desk(lossy(fund, 5, 99, True)).visit(card, items, now).outcome is VisitOutcome.UNKNOWN
    fund.refuse[Infno.REVERSAL] = MedicalRefusal.LATER_SETTLEMENT_EXISTS
    fund.reversed.clear()  # the cut line let the reversal through; here it must not have
    fund.settled = {message.msgid: None for message in fund.heard if getattr(message, "infno", "") == "2207"}
    (repaired,) = make_desk().repair(now)
    assert repaired.outcome is RepairOutcome.SETTLED
    assert make_desk().repair(now) == []


def test_a_reversal_that_is_refused_is_a_case(
    make_desk: Any, card: Any, fund: Any, lossy: Any, items: Any, now: Any
) -> None:
    make_desk(lossy(fund, 5, 99, False)).visit(card, items, now)
    fund.refuse[Infno.REVERSAL] = MedicalRefusal.WRONG_PERSON
    (repaired,) = make_desk().repair(now)
    assert (repaired.outcome, repaired.refusal.reason) == (RepairOutcome.REFUSED, "wrong_person")


def test_a_settlement_is_cancelled_and_a_lost_cancellation_is_repaired(
    make_desk: Any, card: Any, fund: Any, lossy: Any, items: Any, now: Any
) -> None:
    settled = make_desk().visit(card, items, now).receipt.settlement.setlinfo
    lost = make_desk(lossy(fund, 0, 99, True)).cancel(settled.setl_id, now)
    assert lost.settlement is None
    (repaired,) = make_desk().repair(now)
    assert repaired.outcome is RepairOutcome.CANCELLED
    assert not fund.settled
    with pytest.raises(LookupError, match="no settlement"):
        make_desk().cancel("unheard-of", now)


def test_message_ids_differ_within_one_second_and_after_a_restart(
    make_desk: Any, card: Any, fund: Any, items: Any, now: Any
) -> None:
    for _ in range(3):
        make_desk().visit(card, items, now)
    ids = {message.msgid for message in fund.heard if hasattr(message, "msgid") and message.infno is Infno.SETTLE}
    assert len(ids) == 3
    assert all(len(msgid) <= 30 and msgid.startswith("hospital-1" + "20260915100000" + "01") for msgid in ids)


def test_the_receipt_names_every_line_and_every_step_in_both_languages(
    make_desk: Any, card: Any, items: Any, now: Any
) -> None:
    text = receipt_text(make_desk().visit(card, items, now).receipt)
    for expected in (
        "姓名 name 张**  2026-09-15 10:00:00",
        "002 阿莫西林 [乙类 B] 12.35 × 2.5 ≈ 30.88",
        "    自费 own pay 0.00  先行自付 first self-pay 10% 3.09  范围内 in scope 27.79",
        "003 护理垫 [自费 C] 9.99 × 3 = 29.97",
        "费用总额 total: 2080.85",
        "其中起付线 of it deductible: 1800.00",
        "统筹基金支付 paid by the fund: 173.45",
        "统筹基金（20000.00 元以内部分）：247.79 元 × 70% ≈ 173.45 元",
        "fund (part up to 20000.00): 247.79 × 70% ≈ 173.45",
    ):
        assert expected in text
    assert "11010519491231002X" not in text


@pytest.mark.parametrize("region", ["FFFFFF", "11000A"])
def test_a_card_of_no_region_ends_clear(
    make_desk: Any, card: Any, fund: Any, items: Any, now: Any, region: str
) -> None:
    code = bytes.fromhex(region) + card.issuer.identification_code[3:]
    card.issuer = replace(card.issuer, identification_code=code)
    result = make_desk().visit(card, items, now)
    assert result.outcome is VisitOutcome.CARD_FAILED
    assert "identification_code" in result.detail
    assert [type(message) for message in fund.heard] == [PresenceChallengeRequest]


@pytest.mark.parametrize(("name", "shown"), [("张三丰", "张**"), ("王", "王*"), ("欧阳娜娜", "欧***"), ("", "*")])
def test_a_name_is_masked_to_its_first_character(name: str, shown: str) -> None:
    assert masked(name) == shown


def test_a_visit_without_items_is_our_own_mistake(make_desk: Any, card: Any, now: Any) -> None:
    with pytest.raises(ValueError, match="nothing to settle"):
        make_desk().visit(card, [], now)


def test_an_item_is_priced_half_up() -> None:
    item = FeeItem(code="X", name="x", price=yuan("0.05"), count=Decimal("0.5"), item_class=ItemClass.A)
    assert item.total == yuan("0.03")


@pytest.mark.parametrize("changes", [{"price": yuan("-1")}, {"count": Decimal(0)}, {"count": Decimal("0.00001")}])
def test_an_item_the_fund_would_refuse_is_refused_at_once(items: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"price|count"):
        replace(items[0], **changes)


@pytest.mark.parametrize(
    ("changes", "message"), [({"number": 100}, "0 to 99"), ({"institution": "x" * 13}, "more than 12")]
)
def test_a_setup_that_makes_no_message_ids_is_refused(
    setup_of_desk: HospitalSetup, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(setup_of_desk, **changes)
