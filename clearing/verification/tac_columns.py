"""What a column of TACs covers: the fields, what they may hold, and the messages laid out from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clearing.verification.algorithms import Chosen
from clearing.verification.kernels.kernel import Words
from rulebook.record import Event
from rulebook.record.columns import Rows, octets

Numbers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


class TacColumns(NamedTuple):
    """What a TAC covers (standards.md §2.3), a value for each record: fen, sequences, the PSAM's terminal number, date and time
    as the 14 BCD digits' 7 bytes, and the TAC itself, all as numbers, big-endian. ``algorithm``: the byte the card answered
    (``tac.algorithm_of``)."""

    load: Flags
    algorithm: Numbers
    amount: Numbers
    transaction_type: Numbers
    sam_terminal: Numbers
    stamp: Numbers
    sam_sequence: Numbers
    card_sequence: Numbers
    balance_before: Numbers
    tac: Numbers

    def rows(self, which: Chosen) -> TacColumns:
        """Some of them; a slice is not copied."""
        return TacColumns(**{name: column[which] for name, column in self._asdict().items()})


FIELD_BITS = {
    "algorithm": 8,
    "amount": 32,
    "transaction_type": 8,
    "sam_terminal": 48,
    "stamp": 56,
    "sam_sequence": 32,
    "card_sequence": 16,
    "balance_before": 32,
    "tac": 32,
}
"""A value below 0 or with more bits was never in a record."""

PIECE = 8192
"""Records laid out at once: what comes between is in the processor's cache."""

_NUMBERS = {
    "algorithm": "algorithm",
    "amount": "amount_minor",
    "transaction_type": "transaction_type",
    "sam_sequence": "sam_sequence",
    "card_sequence": "card_sequence",
    "balance_before": "balance_before_minor",
}
_BYTES = {"sam_terminal": ("sam_terminal",), "stamp": ("date", "time"), "tac": ("tac",)}

_8, _16, _24, _32, _40, _48, _56 = (np.uint64(bits) for bits in range(8, 64, 8))
_MASK_8, _MASK_16, _MASK_24, _MASK_32, _MASK_48 = (np.uint64((1 << bits) - 1) for bits in (8, 16, 24, 32, 48))
_PADDING = np.uint64(0x80)  # 80, then 00 to whole blocks (standards.md §2.2)


def tac_columns(rows: Rows) -> TacColumns:
    """Of records in columns (``rulebook.record.columns``), each with the fields of its own row."""
    numbers = {name: rows[field].astype(np.int64) for name, field in _NUMBERS.items()}
    numbers |= {name: _as_number(rows, fields) for name, fields in _BYTES.items()}
    return TacColumns(load=rows["event"] == Event.LOAD, **numbers)


def _as_number(rows: Rows, fields: tuple[str, ...]) -> Numbers:
    found = np.concatenate([octets(rows, field) for field in fields], axis=1)
    whole = np.zeros((len(rows), 8), dtype=np.uint8)
    whole[:, 8 - found.shape[1] :] = found
    return whole.view(">i8").reshape(len(rows)).astype(np.int64)


def too_wide(of: TacColumns) -> dict[str, Flags]:
    """Of each column with values that do not fit their field, which ones."""
    return {name: wide for name, bits in FIELD_BITS.items() if (wide := _too_wide(getattr(of, name), bits)) is not None}


def _too_wide(column: Numbers, bits: int) -> Flags | None:
    if int(np.bitwise_or.reduce(column)) >> bits == 0:
        return None
    wide: Flags = (column < 0) | (column.astype(np.int64) >> bits != 0)
    return wide


def _purchase(of: TacColumns) -> list[Words]:
    """amount4 type1 terminal6 sequence4 date-and-time7, then 80 00: each word as one big-endian number."""
    amount, kind, terminal, sequence, stamp = map(
        _unsigned, (of.amount, of.transaction_type, of.sam_terminal, of.sam_sequence, of.stamp)
    )
    return [
        amount << _32 | kind << _24 | terminal >> _24,
        (terminal & _MASK_24) << _40 | sequence << _8 | stamp >> _48,
        (stamp & _MASK_48) << _16 | _PADDING << _8,
    ]


def _load(of: TacColumns) -> list[Words]:
    """balance4 sequence2 amount4 type1 terminal6 date-and-time7, then 80 and seven 00. The new balance is taken modulo 2**32 as
    in ``tac.tac_input``."""
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


_WORDS = {False: 3, True: 4}
_LAYOUTS: dict[bool, Callable[[TacColumns], list[Words]]] = {False: _purchase, True: _load}


def messages(of: TacColumns, *, load: bool, block: int) -> Words:
    """(words, n): the padded messages of purchases or of loads in whole blocks of ``block`` bytes."""
    of_block, count = block // 8, len(of.amount)
    laid_out = np.zeros((-(-_WORDS[load] // of_block) * of_block, count), dtype=np.uint64)
    for start in range(0, count, PIECE):
        piece = slice(start, start + PIECE)
        words = _LAYOUTS[load](of.rows(piece))
        for row, word in enumerate(words):
            laid_out[row, piece] = word
    return laid_out


def _unsigned(numbers: Numbers) -> Words:
    return numbers.astype(np.uint64, copy=False)
