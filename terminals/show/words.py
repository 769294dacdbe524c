"""What coded values of a card are called, Chinese and English (standards.md §1.2, §4.4–§4.6, §5.2)."""

from __future__ import annotations

from collections.abc import Mapping

from card_os.profile.transit import CardClass, Industry, TransitState, TripType

CARD_CLASSES: Mapping[int, str] = {
    CardClass.ORDINARY: "普通 ordinary",
    CardClass.STUDENT: "学生 student",
    CardClass.ELDER: "老年 elder",
    CardClass.TEST: "测试 test",
    CardClass.SOLDIER: "军人 soldier",
}

TRANSACTION_TYPES: Mapping[int, str] = {
    0x01: "存折圈存 deposit load",
    0x02: "充值 load",
    0x03: "圈提 unload",
    0x04: "取现 cash",
    0x05: "存折消费 deposit purchase",
    0x06: "消费 purchase",
    0x07: "修改透支 overdraft change",
    0x08: "信用消费 credit purchase",
    0x09: "复合消费 compound purchase",
    0x31: "医保账户圈存 medical load",
}
DEBITS = frozenset({0x03, 0x04, 0x05, 0x06, 0x08, 0x09})

TRIP_TYPES: Mapping[int, str] = {
    TripType.SINGLE: "单次 single",
    TripType.ENTRY: "进站 entry",
    TripType.EXIT: "出站 exit",
    TripType.SINGLE_PURCHASE: "单次 single",
}

INDUSTRIES: Mapping[int, str] = {Industry.OTHER: "其他 other", Industry.METRO: "地铁 metro", Industry.BUS: "公交 bus"}

TRANSIT_STATES: Mapping[int, str] = {
    TransitState.INITIAL: "未乘车 no ride yet",
    TransitState.ENTERED: "已进站 inside",
    TransitState.EXITED: "已出站 outside",
    TransitState.UPDATED_AT_ENTRY: "进站更新 updated, inside",
    TransitState.UPDATED_AT_EXIT: "出站更新 updated, outside",
}

SEXES: Mapping[str, str] = {"1": "男 male", "2": "女 female"}

SOCIAL_FIELDS: Mapping[str, str] = {
    "card_number": "社保卡号 Card number",
    "identification_code": "卡识别码 Identification code",
    "card_class": "卡类别 Class",
    "version": "规范版本 Specification",
    "organisation": "初始化机构 Initialised by",
    "issued": "发卡日期 Issued",
    "valid_to": "有效期至 Valid to",
    "social_number": "社会保障号码 Social-security number",
    "name": "姓名 Name",
    "name_extension": "姓名扩展 Name, continued",
    "sex": "性别 Sex",
    "nation": "民族 Nation",
    "birthplace": "出生地 Place of birth",
    "born": "出生日期 Date of birth",
}
SOCIAL_DATES = frozenset({"issued", "valid_to", "born"})


# How many characters of a personal datum are shown unless all of it is asked for: at its beginning, at its end.
PERSONAL: Mapping[str, tuple[int, int]] = {
    "card_number": (0, 2),
    "social_number": (2, 1),
    "name": (1, 0),
    "name_extension": (0, 0),
    "nation": (0, 0),
    "birthplace": (2, 0),
    "born": (0, 0),
}


def masked(value: str, first: int, last: int) -> str:
    """Stars but for so many characters; nothing of a value that is hardly longer than what would be shown."""
    if len(value) <= first + last:
        return "*" * len(value)
    return value[:first] + "*" * (len(value) - first - last) + value[len(value) - last :]


def word(words: Mapping[int, str], code: int) -> str:
    """The word for ``code``; a code nobody defined is shown as it is."""
    return words.get(code, f"{code:02X}")
