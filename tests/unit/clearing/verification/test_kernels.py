"""MAC kernels against cryptography, lane by lane: every length around a word, a vector and a chunk; every forged bit found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_os.crypto.mac import cbc_mac
from card_os.crypto.purse import load_tac_input, purchase_tac_input
from card_os.crypto.suites import TRIPLE_DES
from clearing.verification import bulk
from clearing.verification.bulk import KernelDisagrees, TacColumns, right_tacs
from clearing.verification.kernels.des import circuits, fast, plain, wiring
from clearing.verification.kernels.des.circuits import WrongCircuit

KERNELS = [pytest.param(plain.wrong, id="plain"), pytest.param(fast.wrong, id="fast")]


def column(octets: Any) -> Any:
    return np.ascontiguousarray(octets).view("<u8").reshape(len(octets))


def records(count: int, blocks: int, seed: int) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    keys = random.integers(0, 256, (count, 8), dtype=np.uint8)
    messages = random.integers(0, 256, (count, blocks, 8), dtype=np.uint8)
    macs = np.zeros((count, 8), dtype=np.uint8)
    for row in range(count):
        macs[row, :4] = list(cbc_mac(keys[row].tobytes(), messages[row].tobytes())[:4])
    return column(keys), np.stack([column(messages[:, block]) for block in range(blocks)]), macs


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 511, 512, 513, 1500])
@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_equal_to_cryptography(kernel: Callable[..., Any], count: int, blocks: int) -> None:
    keys, messages, macs = records(count, blocks, seed=count)
    assert not kernel(keys, messages, column(macs)).any()
    forged = np.arange(0, count, 7)
    macs[forged, forged % 4] ^= (1 << forged % 8).astype(np.uint8)
    assert np.flatnonzero(kernel(keys, messages, column(macs))).tolist() == forged.tolist()


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_forged_bit_is_found(kernel: Callable[..., Any]) -> None:
    keys, messages, macs = (np.repeat(each, 32, axis=-1 if each.ndim == 2 else 0) for each in records(1, 3, 5))
    macs = np.repeat(records(1, 3, 5)[2], 32, axis=0)
    for bit in range(32):
        macs[bit, bit // 8] ^= 1 << bit % 8
    assert kernel(keys, messages, column(macs)).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_stands_behind_the_four_bytes_does_not_matter(kernel: Callable[..., Any]) -> None:
    keys, messages, macs = records(100, 3, 9)
    macs[:, 4:] = 0xFF
    assert not kernel(keys, messages, column(macs)).any()


def test_a_chunk_and_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "CHUNK_WORDS", 2)
    keys, messages, macs = records(300, 3, 11)
    macs[[0, 127, 128, 255, 256, 299], 0] ^= 1
    assert np.flatnonzero(plain.wrong(keys, messages, column(macs))).tolist() == [0, 127, 128, 255, 256, 299]


def test_the_s_boxes_are_the_standards() -> None:
    """FIPS 46-3's own example: input 011011 of S1 gives 0101. And each row of each box has every number once."""
    assert wiring.s_box(0, 0b011011) == 0b0101
    for box in range(8):
        assert sorted(wiring.s_box(box, bits) for bits in range(64)) == sorted([*range(16)] * 4)


def test_gates_that_make_another_box_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = circuits.s_box
    monkeypatch.setattr(circuits, "s_box", lambda box, bits: right(box, bits) ^ (bits == 17))
    circuits.circuit.cache_clear()
    with pytest.raises(WrongCircuit, match=r"s1\.txt: signal"):
        circuits.circuit(0)
    circuits.circuit.cache_clear()


def tacs(count: int, seed: int) -> tuple[dict[str, Any], Any, list[bytes]]:
    """Random purchases and loads, their keys, and the TACs by the card's own functions."""
    random = np.random.default_rng(seed)
    number = {"amount": 32, "transaction_type": 8, "sam_terminal": 48, "sam_sequence": 32, "stamp": 56}
    number |= {"card_sequence": 16, "balance_before": 32}
    columns: dict[str, Any] = {
        name: random.integers(0, 2**bits, count, dtype=np.int64) for name, bits in number.items()
    }
    columns["load"] = random.integers(0, 2, count).astype(np.bool_)
    keys = random.integers(0, 256, (count, 16), dtype=np.uint8)
    made = [TRIPLE_DES.tac(keys[row].tobytes(), message(columns, row)) for row in range(count)]
    columns["tac"] = np.array([int.from_bytes(tac) for tac in made], dtype=np.int64)
    return columns, keys, made


def message(columns: dict[str, Any], row: int) -> bytes:
    of = {name: int(values[row]) for name, values in columns.items()}
    stamp = of["stamp"].to_bytes(7)
    common = {
        "amount_minor": of["amount"],
        "transaction_type": of["transaction_type"],
        "terminal": of["sam_terminal"].to_bytes(6),
        "date": stamp[:4],
        "time": stamp[4:],
    }
    if of["load"]:
        balance = (of["balance_before"] + of["amount"]) & 0xFFFFFFFF
        return load_tac_input(new_balance_minor=balance, online_sequence=of["card_sequence"], **common)
    return purchase_tac_input(terminal_sequence=of["sam_sequence"], **common)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 300), kernel=st.sampled_from([plain.wrong, fast.wrong]))
def test_tacs_of_purchases_and_loads(seed: int, count: int, kernel: Any) -> None:
    columns, keys, _ = tacs(count, seed)
    assert right_tacs(TacColumns(**columns), keys, kernel).all()
    columns["tac"][::3] ^= 1
    assert np.flatnonzero(~right_tacs(TacColumns(**columns), keys, kernel)).tolist() == list(range(0, count, 3))


@pytest.mark.parametrize("name", ["amount", "transaction_type", "sam_terminal", "stamp", "load"])
def test_every_field_is_under_the_tac(name: str) -> None:
    columns, keys, _ = tacs(40, 1)
    columns[name] = ~columns[name] if name == "load" else columns[name] ^ 1
    assert not right_tacs(TacColumns(**columns), keys).any()


@pytest.mark.parametrize(
    ("name", "of_loads"), [("sam_sequence", False), ("card_sequence", True), ("balance_before", True)]
)
def test_what_only_one_kind_has_under_its_tac(name: str, of_loads: bool) -> None:
    columns, keys, _ = tacs(40, 2)
    columns[name] = columns[name] ^ 1
    assert (right_tacs(TacColumns(**columns), keys) == (columns["load"] != of_loads)).all()


@pytest.mark.parametrize("verdict", [True, False])
def test_a_kernel_that_is_wrong_is_found_out(verdict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SAMPLED_EVERY", 10)
    columns, keys, _ = tacs(200, 3)
    if not verdict:
        columns["tac"] ^= 1
    with pytest.raises(KernelDisagrees) as found:
        right_tacs(TacColumns(**columns), keys, lambda keys, *_: np.full(len(keys), verdict))
    assert keys[0].tobytes().hex() not in str(found.value)
