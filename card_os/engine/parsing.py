"""Commands parsed once, at the border. Every byte that is wrong is refused here, with its status word."""

from __future__ import annotations

import struct
from collections.abc import Callable

from card_os.crypto.purse import TransactionType
from card_os.crypto.secret import Secret
from card_os.crypto.suites import MAC_LENGTH
from card_os.engine import commands
from card_os.engine.refusal import Refusal
from card_os.profile.files import SAM_USAGES, SamUse, sam_usage
from card_os.wire.apdu import CommandApdu
from card_os.wire.commands import ELECTRONIC_DEPOSIT, ELECTRONIC_PURSE, UNBLOCK_PIN_INS, UNBLOCK_PIN_P1

_INITIALIZE = struct.Struct(">BI6s")
_UPDATE = struct.Struct(">B6s")
_CREDIT = struct.Struct(">4s3s4s")
_DEBIT = struct.Struct(">I4s3s4s")
_SAM_INITIALIZE = struct.Struct(">4sHIB4s3sBB")
_FACTOR = 8
_ENCRYPT, _MAC = 0x00, 0x05  # P1 of DES CRYPT
_SECURE = 0x04
_FOLLOWING = 0x02
_ELEMENTARY = 0x02
_RECORD_NUMBER = 0x04
_OWN_KEY = 0x00
_COMPUTATIONS = frozenset(commands.Computation)
_PURCHASE, _CASH, _UNLOAD = 1, 2, 3  # P1 of DEBIT


def parse(apdu: CommandApdu) -> commands.Command:
    """Refuses with 6E00, 6D00, 6A86, 6700, 6A80."""
    parser = _PARSERS.get((apdu.cla, apdu.ins))
    if parser is None:
        raise Refusal(0x6D00 if apdu.cla in _CLASSES else 0x6E00)
    return parser(apdu)


def _require(condition: bool, sw: int) -> None:
    if not condition:
        raise Refusal(sw)


def _length(apdu: CommandApdu, *lengths: int) -> None:
    if len(apdu.data) not in lengths:
        raise Refusal(0x6700)


def _parameters(apdu: CommandApdu, p1: int, p2: int | None = None) -> None:
    if apdu.p1 != p1 or (p2 is not None and apdu.p2 != p2):
        raise Refusal(0x6A86)


def _secured(apdu: CommandApdu) -> CommandApdu | None:
    return apdu if apdu.cla & _SECURE else None


def _select(apdu: CommandApdu) -> commands.Command:
    if apdu.p1 == 0x04 and apdu.p2 in (0x00, _FOLLOWING):
        _require(1 <= len(apdu.data) <= 16, 0x6700)
        return commands.SelectName(apdu.data, apdu.p2 == _FOLLOWING)
    _require(apdu.p1 in (0x00, _ELEMENTARY) and apdu.p2 == 0x00, 0x6A86)
    _length(apdu, 2)
    return commands.SelectFile(int.from_bytes(apdu.data, "big"), apdu.p1 == _ELEMENTARY)


def _place(apdu: CommandApdu) -> tuple[int | None, int]:
    """SFI (None: the current EF) and offset of a binary command."""
    if apdu.p1 & 0x80:
        _require(not apdu.p1 & 0x60, 0x6A86)
        return apdu.p1 & 0x1F, apdu.p2
    return None, apdu.p1 << 8 | apdu.p2


def _read_binary(apdu: CommandApdu) -> commands.Command:
    _no_data(apdu)
    return commands.ReadBinary(*_place(apdu), apdu.ne, _secured(apdu))


def _update_binary(apdu: CommandApdu) -> commands.Command:
    _require(bool(apdu.data), 0x6700)
    return commands.UpdateBinary(*_place(apdu), apdu.data, _secured(apdu))


def _no_data(apdu: CommandApdu) -> None:
    """Beside the MAC."""
    if _secured(apdu) is None:
        _length(apdu, 0)
    else:
        _length(apdu, 0, MAC_LENGTH)


def _read_record(apdu: CommandApdu) -> commands.Command:
    _no_data(apdu)
    _require(apdu.p2 & 7 in (0, _RECORD_NUMBER) and apdu.p1 > 0, 0x6A86)
    return commands.ReadRecord(apdu.p2 >> 3, apdu.p1, not apdu.p2 & _RECORD_NUMBER, apdu.ne, _secured(apdu))


def _update_record(apdu: CommandApdu) -> commands.Command:
    _require(apdu.p2 & 7 in (0, _RECORD_NUMBER) and apdu.p1 > 0, 0x6A86)
    _require(bool(apdu.data), 0x6700)
    by_tag = not apdu.p2 & _RECORD_NUMBER
    return commands.UpdateRecord(apdu.p2 >> 3, apdu.p1, by_tag, apdu.data, _secured(apdu))


def _append_record(apdu: CommandApdu) -> commands.Command:
    _require(apdu.p1 == 0 and not apdu.p2 & 7, 0x6A86)
    _require(bool(apdu.data), 0x6700)
    return commands.AppendRecord(apdu.p2 >> 3, apdu.data, _secured(apdu))


def _get_challenge(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0, 0)
    _require(apdu.ne in (4, 8, 16) and not apdu.data, 0x6700)
    return commands.GetChallenge(apdu.ne or 0)


def _internal_authenticate(apdu: CommandApdu) -> commands.Command:
    """Key 00 is the TAC key or the IRK and answers the social-security form alone (§5.5); the others compute as FMCOS says."""
    if apdu.p2 == _OWN_KEY:
        _parameters(apdu, commands.Computation.ENCRYPT)
        _length(apdu, 16)
        return commands.InternalAuthenticate(apdu.p2, apdu.data[:8], apdu.data[8:])
    _require(apdu.p1 in _COMPUTATIONS, 0x6A86)
    _require(bool(apdu.data), 0x6700)
    return commands.InternalCompute(commands.Computation(apdu.p1), apdu.p2, apdu.data)


def _external_authenticate(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0)
    _length(apdu, 8, 16)
    return commands.ExternalAuthenticate(apdu.p2, apdu.data[:8], apdu.data[8:])


def _verify(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0)
    _length(apdu, 2, 3, 4, 5, 6)
    return commands.Verify(apdu.p2, Secret(apdu.data))


def _change_or_reload_pin(apdu: CommandApdu) -> commands.Command:
    if apdu.p1 == 0x01:
        old, mark, new = apdu.data.partition(b"\xff")
        _require(bool(mark) and 2 <= len(old) <= 6 and 2 <= len(new) <= 6, 0x6A80)
        return commands.ChangePin(apdu.p2, Secret(old), Secret(new))
    _parameters(apdu, 0)
    _length(apdu, 6, 7, 8, 9, 10)
    return commands.ReloadPin(apdu.p2, Secret(apdu.data[:-4]), apdu.data[-4:])


def _unblock_pin(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, UNBLOCK_PIN_P1)
    return commands.UnblockPin(apdu.p2, apdu)


def _erase(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0, 0)
    _length(apdu, 0)
    return commands.EraseDirectory()


def _create_file(apdu: CommandApdu) -> commands.Command:
    _require(len(apdu.data) >= 7, 0x6700)
    return commands.CreateFile(apdu.p1 << 8 | apdu.p2, apdu.data[0], apdu.data[1:])


def _write_key(apdu: CommandApdu) -> commands.Command:
    return commands.WriteKey(None if apdu.p1 == 0x01 else apdu.p1, apdu.p2, apdu)


def _block(apdu: CommandApdu) -> commands.Command:
    _require(apdu.p1 == 0 and apdu.p2 in (0, 1), 0x6A86)
    return commands.BlockApplication(apdu.p2 == 1, apdu)


def _unblock(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0, 0)
    return commands.UnblockApplication(apdu)


def _block_card(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0, 0)
    return commands.BlockCard(apdu)


def _get_balance(apdu: CommandApdu) -> commands.Command:
    _require(apdu.p1 <= 3 and apdu.p2 in (ELECTRONIC_DEPOSIT, ELECTRONIC_PURSE), 0x6A86)
    _length(apdu, 0)
    return commands.GetBalance(apdu.p2, apdu.p1)


_TRANSACTIONS = {
    (0x00, ELECTRONIC_DEPOSIT): TransactionType.DEPOSIT_LOAD,
    (0x00, ELECTRONIC_PURSE): TransactionType.LOAD,
    (0x01, ELECTRONIC_DEPOSIT): TransactionType.DEPOSIT_PURCHASE,
    (0x01, ELECTRONIC_PURSE): TransactionType.PURCHASE,
    (0x02, ELECTRONIC_DEPOSIT): TransactionType.DEPOSIT_CASH,
    (0x03, ELECTRONIC_PURSE): TransactionType.COMPOUND,
    (0x04, ELECTRONIC_DEPOSIT): TransactionType.OVERDRAFT,
    (0x05, ELECTRONIC_DEPOSIT): TransactionType.UNLOAD,
}
_MEDICAL_ACCOUNT = ELECTRONIC_DEPOSIT  # P2 of its commands: the first account of its DF
_ONLINE = frozenset({TransactionType.DEPOSIT_LOAD, TransactionType.LOAD, TransactionType.UNLOAD})


def _initialize(apdu: CommandApdu) -> commands.Command:
    kind = _TRANSACTIONS.get((apdu.p1, apdu.p2))
    if kind is None:
        raise Refusal(0x6A86)
    if kind is TransactionType.OVERDRAFT:
        _length(apdu, _UPDATE.size)
        key_id, terminal = _UPDATE.unpack(apdu.data)
        return commands.InitializeOnline(kind, key_id, 0, terminal)
    _length(apdu, _INITIALIZE.size)
    make = commands.InitializeOnline if kind in _ONLINE else commands.InitializeOffline
    return make(kind, *_INITIALIZE.unpack(apdu.data))


def _medical_initialize(apdu: CommandApdu) -> commands.Command:
    """Class B0: a load of the medical account (standards.md §5.5 [P])."""
    _parameters(apdu, 0, _MEDICAL_ACCOUNT)
    _length(apdu, _INITIALIZE.size)
    return commands.InitializeOnline(TransactionType.MEDICAL_LOAD, *_INITIALIZE.unpack(apdu.data))


def _medical_balance(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0, _MEDICAL_ACCOUNT)
    _length(apdu, 0)
    return commands.GetBalance(_MEDICAL_ACCOUNT, 0)


def _credit(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0, 0)
    _length(apdu, _CREDIT.size)
    return commands.CreditForLoad(*_CREDIT.unpack(apdu.data))


def _update_overdraft(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0, 0)
    _length(apdu, 3 + _CREDIT.size)
    return commands.UpdateOverdrawLimit(int.from_bytes(apdu.data[:3], "big"), *_CREDIT.unpack(apdu.data[3:]))


def _capp(apdu: CommandApdu) -> commands.Command:
    _require(not apdu.p2 & 7, 0x6A86)
    _require(bool(apdu.data), 0x6700)
    return commands.UpdateCappCache(apdu.p2 >> 3, apdu.p1, apdu.data)


def _debit(apdu: CommandApdu) -> commands.Command:
    _require(apdu.p1 in (_PURCHASE, _CASH, _UNLOAD) and apdu.p2 == 0, 0x6A86)
    if apdu.p1 == _UNLOAD:
        _length(apdu, _CREDIT.size)
        return commands.DebitForUnload(*_CREDIT.unpack(apdu.data))
    _length(apdu, _DEBIT.size)
    return commands.Debit(apdu.p1 == _CASH, *_DEBIT.unpack(apdu.data))


def _prove(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0)
    _length(apdu, 2)
    return commands.GetTransactionProve(apdu.p2, int.from_bytes(apdu.data, "big"))


def _sam_initialize(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0, 0)
    _length(apdu, _SAM_INITIALIZE.size + _FACTOR, _SAM_INITIALIZE.size + 2 * _FACTOR)
    head, factors = apdu.data[: _SAM_INITIALIZE.size], apdu.data[_SAM_INITIALIZE.size :]
    return commands.SamInitialize(_factors(factors), *_SAM_INITIALIZE.unpack(head))


def _factors(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + _FACTOR] for at in range(0, len(data), _FACTOR))


def _sam_credit(apdu: CommandApdu) -> commands.Command:
    _parameters(apdu, 0, 0)
    _length(apdu, 4)
    return commands.SamCredit(apdu.data)


def _sam_session(apdu: CommandApdu) -> commands.Command:
    """The social-security form: the random is always there."""
    _require(apdu.p1 in _SOCIAL_USAGES, 0x6A86)
    return _with_random(apdu, _SOCIAL_USAGES[apdu.p1])


def _with_random(apdu: CommandApdu, levels: int) -> commands.Command:
    _length(apdu, _FACTOR * (levels + 1))
    *factors, random = _factors(apdu.data)
    return commands.SamSession(apdu.p1, apdu.p2, tuple(factors), random)


def _sam_descrypt(apdu: CommandApdu) -> commands.Command:
    _require(apdu.p1 in SAM_USAGES, 0x6A86)
    levels = apdu.p1 >> 5
    if len(apdu.data) > _FACTOR * levels:
        return _with_random(apdu, levels)
    _length(apdu, _FACTOR * levels)
    return commands.SamSession(apdu.p1, apdu.p2, _factors(apdu.data), b"")


def _sam_crypt(apdu: CommandApdu) -> commands.Command:
    _require(apdu.p1 in (_ENCRYPT, _MAC) and apdu.p2 == 0, 0x6A86)
    _require(bool(apdu.data) and not len(apdu.data) % _FACTOR, 0x6700)
    if apdu.p1 == _ENCRYPT:
        return commands.SamEncrypt(apdu.data)
    _require(len(apdu.data) > _FACTOR, 0x6700)
    return commands.SamMac(apdu.data[:_FACTOR], apdu.data[_FACTOR:])


_SOCIAL_USAGES = {sam_usage(SamUse.MAC_AND_ENCRYPTION, levels): levels for levels in (1, 2)}
_PARSERS: dict[tuple[int, int], Callable[[CommandApdu], commands.Command]] = {
    (0x00, 0xA4): _select,
    (0x00, 0xB0): _read_binary,
    (0x00, 0xD6): _update_binary,
    (0x04, 0xD6): _update_binary,
    (0x04, 0xB0): _read_binary,
    (0x00, 0xB2): _read_record,
    (0x04, 0xB2): _read_record,
    (0x00, 0xDC): _update_record,
    (0x04, 0xDC): _update_record,
    (0x00, 0xE2): _append_record,
    (0x04, 0xE2): _append_record,
    (0x00, 0x84): _get_challenge,
    (0x00, 0x88): _internal_authenticate,
    (0x00, 0x82): _external_authenticate,
    (0x00, 0x20): _verify,
    (0x80, 0x5E): _change_or_reload_pin,
    (0x84, UNBLOCK_PIN_INS): _unblock_pin,
    (0x80, 0x0E): _erase,
    (0x80, 0xE0): _create_file,
    (0x84, 0xD4): _write_key,
    (0x84, 0x1E): _block,
    (0x84, 0x18): _unblock,
    (0x84, 0x16): _block_card,
    (0x80, 0x5C): _get_balance,
    (0x80, 0x50): _initialize,
    (0x80, 0x52): _credit,
    (0x80, 0x58): _update_overdraft,
    (0x80, 0xDC): _capp,
    (0x80, 0x54): _debit,
    (0x80, 0x5A): _prove,
    (0x80, 0x70): _sam_initialize,
    (0x80, 0x72): _sam_credit,
    (0xB0, 0x28): _medical_initialize,
    (0xB0, 0x2A): _credit,
    (0xB0, 0x26): _medical_balance,
    (0xBF, 0xDE): _sam_session,
    (0x80, 0x1A): _sam_descrypt,
    (0x80, 0xFA): _sam_crypt,
}
_CLASSES = frozenset(cla for cla, _ in _PARSERS)
