"""Card contents as Rich tables, Chinese and English side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from card_os.profile.transit import LogRecord, TripRecord
from rulebook.money import Amount
from terminals.dialogues.read_card import CardContents, SocialContents, TransitContents
from terminals.show import words

_NOT_READABLE = "不可读 not readable"
_EMPTY = "空 empty"


def render(contents: CardContents, *, reader: str, atr: bytes, unmasked: bool = False) -> RenderableType:
    """Everything that was read; personal data masked unless ``unmasked``. A card with neither application is said to be
    one."""
    parts = [_pairs("卡片 Card", (("读卡器 Reader", reader), ("复位应答 ATR", atr.hex().upper())))]
    if contents.transit is not None:
        parts += _transit(contents.transit)
    if contents.social is not None:
        parts.append(_pairs("社会保障应用 Social security", _social_rows(contents.social, unmasked)))
    for area in contents.areas:
        rows = [(name, _area_value(value, unmasked)) for name, value in area.files.items()]
        parts.append(_pairs(f"社会保障区 Social-security area DF{area.fid & 0xFF:02X}", rows))
    if contents == CardContents(None, None):
        parts.append(_pairs("没有可识别的应用 No application known here", ()))
    return Group(*parts)


def _area_value(value: bytes, unmasked: bool) -> str:
    """Household, residence and marriage are personal whatever their layout."""
    if not value:
        return _EMPTY
    return value.hex().upper() if unmasked else f"{len(value)} 字节 bytes"


def _transit(transit: TransitContents) -> Iterator[Table]:
    yield _pairs("交通联合 T-Union", _transit_rows(transit))
    if transit.log:
        log_columns = ("序号 Sequence", "类型 Type", "金额 Amount", "终端 Terminal", "时间 Time")
        yield _table("交易记录 Transaction log", log_columns, map(_log_row, transit.log))
    if transit.trips:
        columns = ("类型 Type", "行业 Mode", "金额 Amount", "余额 Balance", "城市 City", "线路站点 Place", "时间 Time")
        yield _table("行程记录 Trips", columns, map(_trip_row, transit.trips))


def _transit_rows(transit: TransitContents) -> Iterator[tuple[str, str]]:
    yield "应用标识 AID", transit.aid.hex().upper()
    public, management, process = transit.public, transit.management, transit.process
    yield "卡号 Number", public.pan if public else _NOT_READABLE
    if public:
        yield "有效期 Validity", f"{_date(public.valid_from)} – {_date(public.valid_to)}"
        yield "发卡机构 Issuer", public.issuer.hex().upper()
    if management:
        yield "持卡人类别 Holder class", words.word(words.CARD_CLASSES, management.card_class)
        yield "城市 City", management.city
        yield "互联互通 Other cities", "是 yes" if management.interoperability == "0001" else "否 no"
    yield "余额 Balance", _NOT_READABLE if transit.balance_minor is None else _money(transit.balance_minor)
    if process:
        yield "乘车状态 Ride", words.word(words.TRANSIT_STATES, process.state)


def _log_row(record: LogRecord) -> tuple[str, ...]:
    sign = -1 if record.type in words.DEBITS else 1
    return (
        str(record.sequence),
        words.word(words.TRANSACTION_TYPES, record.type),
        _money(sign * record.amount_minor),
        record.terminal.hex().upper(),
        _time(record.date + record.time),
    )


def _trip_row(record: TripRecord) -> tuple[str, ...]:
    return (
        words.word(words.TRIP_TYPES, record.type),
        words.word(words.INDUSTRIES, record.industry),
        _money(record.amount_minor),
        _money(record.balance_minor),
        record.city,
        record.place.hex().upper(),
        _time(record.time),
    )


def _social_rows(social: SocialContents, unmasked: bool) -> Iterator[tuple[str, str]]:
    values = social.issuer | social.holder
    if not values:
        yield "内容 Contents", _NOT_READABLE
    for name, label in words.SOCIAL_FIELDS.items():
        if name in values and values[name] not in ("", b""):
            masks = None if unmasked else words.PERSONAL.get(name)
            yield label, words.masked(values[name], *masks) if masks else _social_value(name, values[name])


def _social_value(name: str, value: Any) -> str:
    if name in words.SOCIAL_DATES:
        return _date(value)
    if name == "sex":
        return words.SEXES.get(value, value)
    return value.hex().upper() if isinstance(value, bytes) else str(value)


def _pairs(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, _visible(value))
    return table


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_visible, row))
    return table


def _visible(text: str) -> Text:
    """A card's text is somebody else's: no markup of Rich's and no control characters of a terminal's."""
    return Text("".join(character if character.isprintable() else "�" for character in text))


def _money(minor: int) -> str:
    return str(Amount(minor))


def _date(digits: str) -> str:
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"


def _time(digits: str) -> str:
    return f"{_date(digits)} {digits[8:10]}:{digits[10:12]}:{digits[12:14]}"
