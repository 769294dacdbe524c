"""The TACs of a column of records under 3DES: laid out, checked by a kernel, and the kernel checked by another hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from card_os.crypto.suites import TRIPLE_DES
from clearing.verification.kernels.des import fast
from clearing.verification.kernels.des.plain import Flags, Words

Numbers: TypeAlias = NDArray[np.int64]
Octets: TypeAlias = NDArray[np.uint8]
Kernel: TypeAlias = Callable[[Words, Words, Words], Flags]

KEY_LENGTH = 16
SAMPLED_EVERY = 10_000
"""Of the records a kernel finds right, one of so many is computed again; of those it finds wrong, every one."""

_8, _16, _24, _32, _40, _48, _56 = (np.uint64(bits) for bits in range(8, 64, 8))
_MASK_8, _MASK_16, _MASK_24, _MASK_32, _MASK_48 = (np.uint64((1 << bits) - 1) for bits in (8, 16, 24, 32, 48))
_PADDING = np.uint64(0x80)  # 80, then 00 to whole blocks (standards.md §2.2)


class KernelDisagrees(RuntimeError):
    """A kernel and ``cryptography`` judge a TAC differently: nothing it said may be used."""


class TacColumns(NamedTuple):
    """What a TAC covers (standards.md §2.3), a value for each record: fen, sequences, the PSAM's terminal number, date and time
    as the 14 BCD digits' 7 bytes, and the TAC itself, all as numbers, big-endian."""

    load: Flags
    amount: Numbers
    transaction_type: Numbers
    sam_terminal: Numbers
    stamp: Numbers
    sam_sequence: Numbers
    card_sequence: Numbers
    balance_before: Numbers
    tac: Numbers


def right_tacs(columns: TacColumns, keys: Octets, kernel: Kernel = fast.wrong) -> Flags:
    """Whether each record's TAC is the one its card's key (a row of 16 bytes) makes. Raises ``KernelDisagrees``."""
    if not columns.load.any():
        return _right(columns, keys, kernel, _PURCHASE)
    right = np.zeros(len(keys), dtype=np.bool_)
    for form, rows in ((_PURCHASE, np.flatnonzero(~columns.load)), (_LOAD, np.flatnonzero(columns.load))):
        of = TacColumns(**{name: column[rows] for name, column in columns._asdict().items()})
        right[rows] = _right(of, keys[rows], kernel, form)
    return right


def _purchase_blocks(of: TacColumns) -> list[Words]:
    """amount4 type1 terminal6 sequence4 date-and-time7, then 80 00: each block as one big-endian number."""
    amount, kind, terminal, sequence, stamp = map(
        _unsigned, (of.amount, of.transaction_type, of.sam_terminal, of.sam_sequence, of.stamp)
    )
    return [
        amount << _32 | kind << _24 | terminal >> _24,
        (terminal & _MASK_24) << _40 | sequence << _8 | stamp >> _48,
        (stamp & _MASK_48) << _16 | _PADDING << _8,
    ]


def _load_blocks(of: TacColumns) -> list[Words]:
    """balance4 sequence2 amount4 type1 terminal6 date-and-time7, then 80 and seven 00. The balance is taken modulo 2**32, so
    that a nonsense record has a TAC that is merely wrong."""
    amount, kind, terminal, sequence, stamp = map(
        _unsigned, (of.amount, of.transaction_type, of.sam_terminal, of.card_sequence, of.stamp)
    )
    balance = _unsigned(of.balance_before + of.amount) & _MASK_32
    return [
        balance << _32 | sequence << _16 | amount >> _16,
        (amount & _MASK_16) << _48 | kind << _40 | terminal >> _8,
        (terminal & _MASK_8) << _56 | stamp,
        np.full(len(amount), _PADDING << _56, dtype=np.uint64),
    ]


class _Form(NamedTuple):
    """How a message is laid out, and its bytes before the padding."""

    blocks: Callable[[TacColumns], list[Words]]
    length: int


_PURCHASE, _LOAD = _Form(_purchase_blocks, 22), _Form(_load_blocks, 24)


def _right(of: TacColumns, keys: Octets, kernel: Kernel, form: _Form) -> Flags:
    blocks = np.empty((4 if form is _LOAD else 3, len(keys)), dtype=np.uint64)
    for row, block in enumerate(form.blocks(of)):
        np.copyto(blocks[row], block.byteswap())  # kernels read bytes as they stand, little-endian
    halves = np.ascontiguousarray(keys).view("<u8")
    folded = halves[:, 0] ^ halves[:, 1]
    wrong = kernel(folded, blocks, (_unsigned(of.tac) << _32).byteswap())
    folded[:] = 0
    _judge_the_kernel(blocks, form.length, of.tac, keys, wrong)
    return ~wrong


def _judge_the_kernel(blocks: Words, length: int, tac: Numbers, keys: Octets, wrong: Flags) -> None:
    again = wrong.copy()
    again[::SAMPLED_EVERY] = True
    for row in np.flatnonzero(again).tolist():
        message = blocks[:, row].tobytes()[:length]
        made = TRIPLE_DES.tac(keys[row].tobytes(), message)
        if (int.from_bytes(made) != tac[row]) != wrong[row]:
            raise KernelDisagrees(
                "the MAC kernel and cryptography judge a record differently; run benchmarks/tac.py, which compares them"
            )


def _unsigned(numbers: Numbers) -> Words:
    return numbers.astype(np.uint64, copy=False)
