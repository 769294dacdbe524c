"""The TACs of a column of records under 3DES: laid out, checked by a kernel, and the kernel checked by another hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from card_os.crypto.suites import TRIPLE_DES
from clearing.verification.kernels import fast
from clearing.verification.kernels.plain import Flags, Words

Numbers: TypeAlias = NDArray[np.int64]
Octets: TypeAlias = NDArray[np.uint8]
Kernel: TypeAlias = Callable[[Words, Words, Words], Flags]

KEY_LENGTH = 16
SAMPLED_EVERY = 10_000
"""Of the records a kernel finds right, one of so many is computed again; of those it finds wrong, every one."""

_BLOCK = 8
_MAC_LENGTH = 4


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


# (column, bytes) of the message; a load's new balance is balance and amount together, modulo 2**32 so that a nonsense record
# has a TAC that is merely wrong.
_PURCHASE = (("amount", 4), ("transaction_type", 1), ("sam_terminal", 6), ("sam_sequence", 4), ("stamp", 7))
_LOAD = (("card_sequence", 2), ("amount", 4), ("transaction_type", 1), ("sam_terminal", 6), ("stamp", 7))


def right_tacs(columns: TacColumns, keys: Octets, kernel: Kernel = fast.wrong) -> Flags:
    """Whether each record's TAC is the one its card's key (a row of 16 bytes) makes. Raises ``KernelDisagrees``."""
    right = np.zeros(len(keys), dtype=np.bool_)
    for load in (False, True):
        rows = np.flatnonzero(columns.load == load)
        if len(rows):
            of = TacColumns(**{name: column[rows] for name, column in columns._asdict().items()})
            right[rows] = _checked(_messages(of, load=load), of.tac, keys[rows], kernel)
    return right


def _checked(messages: Octets, tac: Numbers, keys: Octets, kernel: Kernel) -> Flags:
    padded = _padded(messages)
    count, length = padded.shape
    blocks = np.ascontiguousarray(padded.reshape(count, length // _BLOCK, _BLOCK).transpose(1, 0, 2))
    expected = np.zeros((count, _BLOCK), dtype=np.uint8)
    expected[:, :_MAC_LENGTH] = _bytes(tac, _MAC_LENGTH)
    folded = np.ascontiguousarray(keys[:, :_BLOCK] ^ keys[:, _BLOCK:])
    wrong = kernel(_words(folded), blocks.view("<u8").reshape(length // _BLOCK, count), _words(expected))
    folded[:] = 0
    _judge_the_kernel(messages, expected, keys, wrong)
    return ~wrong


def _judge_the_kernel(messages: Octets, expected: Octets, keys: Octets, wrong: Flags) -> None:
    again = wrong.copy()
    again[::SAMPLED_EVERY] = True
    for row in np.flatnonzero(again).tolist():
        made = TRIPLE_DES.tac(keys[row].tobytes(), messages[row].tobytes())
        if (made != expected[row, :_MAC_LENGTH].tobytes()) != wrong[row]:
            raise KernelDisagrees(
                "the MAC kernel and cryptography judge a record differently; run benchmarks/tac.py, which compares them,"
                " and clear with kernel plain until it is found"
            )


def _messages(of: TacColumns, *, load: bool) -> Octets:
    columns = of._asdict()
    parts = [_bytes(columns[name], width) for name, width in (_LOAD if load else _PURCHASE)]
    if load:
        parts.insert(0, _bytes((of.balance_before + of.amount) & 0xFFFFFFFF, 4))
    return np.hstack(parts)


def _padded(messages: Octets) -> Octets:
    """80, then 00 to whole blocks, always at least one byte (standards.md §2.2)."""
    count, length = messages.shape
    padded = np.zeros((count, (length // _BLOCK + 1) * _BLOCK), dtype=np.uint8)
    padded[:, :length] = messages
    padded[:, length] = 0x80
    return padded


def _bytes(numbers: Numbers, width: int) -> Octets:
    return numbers.astype(">u8").view(np.uint8).reshape(len(numbers), 8)[:, 8 - width :]


def _words(octets: Octets) -> Words:
    words: Words = np.ascontiguousarray(octets).view("<u8").reshape(len(octets))
    return words
