"""The patient's receipt, line by line and to the cent, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.medical import FeeResult, ItemClass, SettlementInfo
from terminals.hospital.results import Receipt

_CLASS = {ItemClass.A: "甲类 A", ItemClass.B: "乙类 B", ItemClass.C: "自费 C"}
_SUMS = (
    ("费用总额 total", "medfee_sumamt"),
    ("目录外自费 outside the catalogue", "fulamt_ownpay_amt"),
    ("乙类先行自付 first self-pay", "preselfpay_amt"),
    ("政策范围内 in scope", "inscp_scp_amt"),
    ("其中起付线 of it deductible", "act_pay_dedc"),
    ("统筹基金支付 paid by the fund", "hifp_pay"),
    ("大额补助支付 paid by the large-amount fund", "hifob_pay"),
    ("个人账户支付 paid from the personal account", "acct_pay"),
    ("现金支付 to pay in cash", "psn_cash_pay"),
    ("个人账户余额 left in the personal account", "balc"),
)


def masked(name: str) -> str:
    """The first character, then one star for each other, at least one."""
    return name[:1] + "*" * max(1, len(name) - 1)


def receipt_text(receipt: Receipt) -> str:
    """Plain text, one fact a line."""
    return "\n".join([*_head(receipt), *_lines(receipt), *_sums(receipt.settlement.setlinfo), *_trace(receipt)]) + "\n"


def _head(receipt: Receipt) -> Iterator[str]:
    info = receipt.settlement.setlinfo
    yield f"{receipt.institution}  医疗收费结算单 medical settlement"
    yield f"就诊 visit {info.mdtrt_id}  结算 settlement {info.setl_id}"
    yield f"姓名 name {receipt.holder}  {info.setl_time.astimezone(BUSINESS_ZONE):%Y-%m-%d %H:%M:%S}"


def _lines(receipt: Receipt) -> Iterator[str]:
    shares = {share.feedetl_sn: share for share in receipt.settlement.feeshare}
    for item, line in zip(receipt.items, receipt.lines, strict=True):
        share = shares[line.feedetl_sn]
        equals = "=" if item.price.minor * item.count == item.total.minor else "≈"
        yield f"{line.feedetl_sn} {item.name} [{_CLASS[line.chrgitm_lv]}] {item.price} × {item.count} {equals} {item.total}"
        yield (
            f"    自费 own pay {line.fulamt_ownpay_amt}  先行自付 first self-pay {_rate(line)}{line.preselfpay_amt}"
            f"  范围内 in scope {line.inscp_scp_amt}"
        )
        yield f"    基金 fund {share.fund_payamt}  个人 patient {share.psn_part_amt}"


def _rate(line: FeeResult) -> str:
    """A first self-pay's rate in front of its amount; wholly paid items (class C) have none."""
    if not line.preselfpay_amt:
        return ""
    percent = Decimal(line.selfpay_prop.numerator * 100) / line.selfpay_prop.denominator
    return f"{percent.normalize():f}% "


def _sums(info: SettlementInfo) -> Iterator[str]:
    for words, field in _SUMS:
        yield f"{words}: {getattr(info, field)}"


def _trace(receipt: Receipt) -> Iterator[str]:
    yield "计算过程 how it was computed (≈ 四舍五入到分 rounded to the fen):"
    for number, step in enumerate(receipt.settlement.setldetail, start=1):
        chinese, _, english = step.setl_proc_info.partition(" | ")
        yield f"{number}. {chinese}"
        yield f"   {english}"
