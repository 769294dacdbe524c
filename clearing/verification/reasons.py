"""How a record ends, and why, as one table in order of precedence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Status(StrEnum):
    ACCEPTED = "accepted"
    CLAIMED = "claimed"  # another issuer's card; held until that issuer's accounting result
    REJECTED = "rejected"
    SUSPENDED = "suspended"  # an open item: somebody, or something that still arrives, decides


@unique
class Reason(StrEnum):
    """The first that applies is the record's. ``RULES`` says what each means."""

    RELEASED = "released"
    DECIDED_AGAINST = "decided_against"
    DEVICE_UNKNOWN = "device_unknown"
    DEVICE_LOST = "device_lost"
    SAM_NOT_OF_DEVICE = "sam_not_of_device"
    EVENT_NOT_OF_DEVICE = "event_not_of_device"
    KEY_VERSION_WRONG = "key_version_wrong"
    OTHER_ISSUER = "other_issuer"
    CLOCK_UNREADABLE = "clock_unreadable"
    TAC_WRONG = "tac_wrong"
    ENDED_BEFORE = "ended_before"
    REPEATED = "repeated"
    REPEATED_WITH_OTHER_CONTENT = "repeated_with_other_content"
    CARD_UNKNOWN = "card_unknown"
    CARD_NOT_VALID = "card_not_valid"
    DENIED_WITH_OLD_LIST = "denied_with_old_list"
    DENIED_LET_THROUGH = "denied_let_through"
    OUTCOME_WITHOUT_INTENT = "outcome_without_intent"
    FINDING_WITHOUT_INTENT = "finding_without_intent"
    INTENT_WITHOUT_OUTCOME = "intent_without_outcome"
    NEVER_ENDED = "never_ended"
    LATER_THAN_HORIZON = "later_than_horizon"
    AHEAD_OF_BUSINESS_DAY = "ahead_of_business_day"
    LOAD_UNKNOWN = "load_unknown"
    LOAD_DIFFERS = "load_differs"
    MAC2_WRONG = "mac2_wrong"
    CONFIRMS = "confirms"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Rule:
    """``holds_value``: what the record says was taken off the card waits on "open taps"."""

    status: Status
    holds_value: bool
    zh: str
    en: str


_R, _S = Status.REJECTED, Status.SUSPENDED
RULES: dict[Reason, Rule] = {
    Reason.RELEASED: Rule(Status.ACCEPTED, False, "已由两人释放", "two people released it to the operator"),
    Reason.DECIDED_AGAINST: Rule(_R, False, "已由两人拒付或核销", "two people refused it or wrote it off"),
    Reason.DEVICE_UNKNOWN: Rule(_S, True, "终端未登记", "the device is not enrolled"),
    Reason.DEVICE_LOST: Rule(_S, True, "终端挂失后的记录", "dated after the device was reported lost"),
    Reason.SAM_NOT_OF_DEVICE: Rule(_S, True, "PSAM 不属于该终端", "the PSAM is not the one bound to this device"),
    Reason.EVENT_NOT_OF_DEVICE: Rule(_S, True, "终端类型不能有此交易", "a terminal of this kind does no such thing"),
    Reason.KEY_VERSION_WRONG: Rule(_S, True, "密钥版本不符", "the key version is not the card's"),
    Reason.OTHER_ISSUER: Rule(Status.CLAIMED, False, "他行卡，待发卡方清算", "another issuer's card, claimed there"),
    Reason.CLOCK_UNREADABLE: Rule(_S, True, "日期时间无效", "date and time are no time of the calendar"),
    Reason.TAC_WRONG: Rule(_R, True, "TAC 错误", "the TAC is not the card's"),
    Reason.ENDED_BEFORE: Rule(
        _R, False, "迁移前的交易，原系统已了结", "from before the migration; the old system ended it"
    ),
    Reason.REPEATED: Rule(_R, False, "重复记录，内容相同", "repeats a card transaction with equal content"),
    Reason.REPEATED_WITH_OTHER_CONTENT: Rule(
        _R, False, "同一交易号，内容不同", "the card transaction is known with other content"
    ),
    Reason.CARD_UNKNOWN: Rule(_S, True, "卡未登记", "the card is not in the card register"),
    Reason.CARD_NOT_VALID: Rule(
        _R, True, "卡不在有效期内", "before or after the card's dates; the terminal can read them"
    ),
    Reason.DENIED_WITH_OLD_LIST: Rule(_R, True, "黑名单卡，终端名单过旧", "denied card, taken with a list too old"),
    Reason.DENIED_LET_THROUGH: Rule(_R, True, "黑名单卡，终端未拦截", "denied card, on the list and let through"),
    Reason.OUTCOME_WITHOUT_INTENT: Rule(_S, True, "缺少交易意图记录", "the intent of this outcome has not arrived"),
    Reason.FINDING_WITHOUT_INTENT: Rule(
        _S, False, "补查结果缺少意图", "the intent this finding proves has not arrived"
    ),
    Reason.INTENT_WITHOUT_OUTCOME: Rule(_S, False, "结果未知", "what the card did is not known yet"),
    Reason.NEVER_ENDED: Rule(
        _R, False, "上传期限内未等到对应记录", "what it waited for did not come within the upload horizon"
    ),
    Reason.LATER_THAN_HORIZON: Rule(_S, True, "超过上传期限", "older than the upload horizon, at the operator's risk"),
    Reason.AHEAD_OF_BUSINESS_DAY: Rule(_S, True, "日期晚于清算日", "dated after the window's business day"),
    Reason.LOAD_UNKNOWN: Rule(_S, False, "充值未授权", "clearing has authorised no such load"),
    Reason.LOAD_DIFFERS: Rule(_R, False, "充值金额不符", "the amount is not the one authorised for this load"),
    Reason.MAC2_WRONG: Rule(_S, True, "MAC2 错误，闸门未开", "the PSAM found MAC2 wrong; the gate stayed shut"),
    Reason.CONFIRMS: Rule(Status.ACCEPTED, False, "证实已知交易", "proves what is known already"),
    Reason.NONE: Rule(Status.ACCEPTED, False, "正常", "in order"),
}

PRECEDENCE: dict[Reason, int] = {reason: rank for rank, reason in enumerate(Reason)}


@unique
class RemarkKind(StrEnum):
    """What is reported beside a record's own end; none of these holds it up."""

    CHARGED_MORE = "charged_more"
    CHARGED_LESS = "charged_less"
    NOT_PRICEABLE = "not_priceable"
    CLASS_DIFFERS = "class_differs"
    COUNTER_GAP = "counter_gap"
    JOURNAL_GAP = "journal_gap"
    CLOCK_WENT_BACK = "clock_went_back"
    LOAD_NOT_POSTED = "load_not_posted"
    NOT_SHARED = "not_shared"
    TRIP_UNFINISHED = "trip_unfinished"


REMARKS: dict[RemarkKind, tuple[str, str]] = {
    RemarkKind.CHARGED_MORE: ("多收，应退持卡人", "charged more than the tariff: refund owed, borne by the operator"),
    RemarkKind.CHARGED_LESS: ("少收，运营方承担", "charged less than the tariff: the operator's loss"),
    RemarkKind.NOT_PRICEABLE: ("无法复核票价", "the fare could not be checked"),
    RemarkKind.CLASS_DIFFERS: (
        "持卡人类别与登记不符，补贴不付",
        "the rider class is not the card register's: no concession is paid",
    ),
    RemarkKind.COUNTER_GAP: ("卡脱机序号缺失", "off-line sequence numbers of the card are missing"),
    RemarkKind.JOURNAL_GAP: ("终端流水缺失", "journal sequences of the device are missing"),
    RemarkKind.CLOCK_WENT_BACK: ("终端时钟倒退", "the device's clock went back"),
    RemarkKind.TRIP_UNFINISHED: ("进站后无出站", "the card went in and its next purchase is no exit"),
    RemarkKind.NOT_SHARED: ("共线票款未分摊", "no line explains these rides: they stay with whose gate charged them"),
    RemarkKind.LOAD_NOT_POSTED: ("充值未入账", "the load is done on the card and not posted yet"),
}
