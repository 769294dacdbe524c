"""TACs of columns against the card's own functions: every field counts, none is cut off, and a wrong kernel is found out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_os.crypto.purse import load_tac, purchase_tac
from card_os.crypto.suites import SUITES, Algorithm
from clearing.verification import recheck
from clearing.verification.bulk import compute_tacs, right_tacs
from clearing.verification.kernels.choice import FASTEST, PLAIN, Kernels
from clearing.verification.recheck import KernelDisagrees
from clearing.verification.tac_columns import FIELD_BITS, TacColumns

KERNELS = [pytest.param(PLAIN, id="plain"), pytest.param(FASTEST, id="fastest")]
ALGORITHMS = np.array([0x00, 0x01, 0x04])  # 01: a real card's, that still uses 3DES


def tacs(count: int, seed: int) -> tuple[dict[str, Any], Any]:
    """Random purchases and loads of both algorithms, with the TACs that the card's own functions make, and the keys."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        name: random.integers(0, 2**bits, count, dtype=np.int64) for name, bits in FIELD_BITS.items()
    }
    columns["algorithm"] = random.choice(ALGORITHMS, count)
    columns["load"] = random.integers(0, 2, count).astype(np.bool_)
    keys = random.integers(0, 256, (count, 16), dtype=np.uint8)
    columns["tac"] = np.array([card_tac(columns, keys, row) for row in range(count)], dtype=np.int64)
    return columns, keys


def card_tac(columns: dict[str, Any], keys: Any, row: int) -> int:
    of = {name: int(values[row]) for name, values in columns.items()}
    stamp = of["stamp"].to_bytes(7)
    common: dict[str, Any] = {
        "amount_minor": of["amount"],
        "transaction_type": of["transaction_type"],
        "terminal": of["sam_terminal"].to_bytes(6),
        "date": stamp[:4],
        "time": stamp[4:],
        "suite": SUITES[Algorithm.SM4 if of["algorithm"] == 0x04 else Algorithm.TRIPLE_DES],
    }
    key = keys[row].tobytes()
    if of["load"]:
        balance = (of["balance_before"] + of["amount"]) & 0xFFFFFFFF
        return int.from_bytes(load_tac(key, new_balance_minor=balance, online_sequence=of["card_sequence"], **common))
    return int.from_bytes(purchase_tac(key, terminal_sequence=of["sam_sequence"], **common))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 300), kernels=st.sampled_from([PLAIN, FASTEST]))
def test_tacs_of_purchases_and_loads(seed: int, count: int, kernels: Kernels) -> None:
    columns, keys = tacs(count, seed)
    assert (
        compute_tacs(TacColumns(**columns | {"tac": columns["tac"] ^ 5}), keys, kernels).tolist()
        == columns["tac"].tolist()
    )
    assert right_tacs(TacColumns(**columns), keys, kernels).all()
    columns["tac"][::3] ^= 1
    found = np.flatnonzero(~right_tacs(TacColumns(**columns), keys, kernels))
    assert found.tolist() == list(range(0, count, 3))


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("algorithm", [0x00, 0x04])
def test_every_forged_bit_is_found(algorithm: int, kernels: Kernels) -> None:
    columns, keys = tacs(32, 5)
    columns["algorithm"][:] = algorithm
    of = TacColumns(**columns)
    forged = compute_tacs(of, keys) ^ (1 << np.arange(32))
    assert not right_tacs(of._replace(tac=forged), keys, kernels).any()


@pytest.mark.parametrize("name", ["amount", "transaction_type", "sam_terminal", "stamp", "load"])
def test_every_field_is_under_the_tac(name: str) -> None:
    columns, keys = tacs(40, 1)
    columns[name] = ~columns[name] if name == "load" else columns[name] ^ 1
    assert not right_tacs(TacColumns(**columns), keys).any()


@pytest.mark.parametrize(
    ("name", "of_loads"), [("sam_sequence", False), ("card_sequence", True), ("balance_before", True)]
)
def test_what_only_one_kind_has_under_its_tac(name: str, of_loads: bool) -> None:
    columns, keys = tacs(40, 2)
    columns[name] = columns[name] ^ 1
    assert (right_tacs(TacColumns(**columns), keys) == (columns["load"] != of_loads)).all()


def test_the_algorithm_byte_chooses_sm4_or_3des() -> None:
    columns, keys = tacs(60, 4)
    was_sm4 = columns["algorithm"] == 0x04
    columns["algorithm"] = np.where(was_sm4, 0x00, 0x04)
    assert not right_tacs(TacColumns(**columns), keys).any()
    columns["algorithm"] = np.where(was_sm4, 0x04, 0x7F)
    assert right_tacs(TacColumns(**columns), keys).all()


@pytest.mark.parametrize("name", sorted(FIELD_BITS))
@pytest.mark.parametrize("change", ["one bit too many", "a multiple of the field", "negative"])
def test_a_value_wider_than_its_field_is_wrong_and_its_neighbours_are_right(name: str, change: str) -> None:
    """Each of these is the same number once it is cut off to the field's width."""
    columns, keys = tacs(50, 6)
    columns[name] = columns[name].astype(np.int64)
    columns[name][7] += {"one bit too many": 1, "a multiple of the field": 6, "negative": -1}[change] << FIELD_BITS[
        name
    ]
    assert np.flatnonzero(~right_tacs(TacColumns(**columns), keys)).tolist() == [7]
    if name != "tac":
        with pytest.raises(ValueError, match=rf"wider than their field.*'{name}': \[7\]"):
            compute_tacs(TacColumns(**columns), keys)


def test_narrow_columns_are_taken_as_they_are() -> None:
    """The day keeps some columns in two bytes."""
    columns, keys = tacs(50, 7)
    columns |= {name: columns[name].astype(np.int16) for name in ("algorithm", "transaction_type")}
    assert right_tacs(TacColumns(**columns | {"card_sequence": columns["card_sequence"].astype(np.int32)}), keys).all()


def test_a_row_of_zeros_is_no_key() -> None:
    columns, keys = tacs(30, 8)
    keys[::2] = 0
    columns["tac"] = np.array([card_tac(columns, keys, row) for row in range(30)])  # whoever knew the key could
    assert right_tacs(TacColumns(**columns), keys).tolist() == [False, True] * 15
    with pytest.raises(ValueError, match=r"without a key, the first of them: \[0, 2, 4\]"):
        compute_tacs(TacColumns(**columns), keys)


@pytest.mark.parametrize("keys", [np.zeros((3, 8), np.uint8), np.zeros(48, np.uint8), np.zeros((3, 16), np.int64)])
def test_keys_of_another_shape_are_refused(keys: Any) -> None:
    columns, _ = tacs(3, 9)
    with pytest.raises(ValueError, match="rows of 16 bytes"):
        right_tacs(TacColumns(**columns), keys)


def test_columns_of_another_length_are_refused() -> None:
    columns, keys = tacs(5, 9)
    with pytest.raises(ValueError, match=r"there are 5 keys; columns of another length: \{.stamp.: 1\}"):
        right_tacs(TacColumns(**columns | {"stamp": columns["stamp"][:1]}), keys)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_key_words_are_overwritten_after_use(algorithm: Algorithm) -> None:
    columns, keys = tacs(30, 10)
    columns["algorithm"][:] = algorithm
    columns["load"][:] = False
    held = []

    def kernel(key_words: Any, blocks: Any) -> Any:
        held.append(key_words)
        assert key_words.any()
        return PLAIN[algorithm](key_words, blocks)

    before = keys.copy()
    compute_tacs(TacColumns(**columns), keys, {algorithm: kernel})
    assert not held[0].any()
    assert (keys == before).all()  # the caller's


@pytest.mark.parametrize("right", [True, False])
def test_a_kernel_that_is_wrong_is_found_out(right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes what is right for wrong, or what is wrong for right."""
    monkeypatch.setattr(recheck, "SAMPLED_EVERY", 10)
    columns, keys = tacs(200, 3)
    of = TacColumns(**columns)
    if not right:
        of = of._replace(tac=of.tac ^ 1)
    broken = {a: lambda keys, blocks, a=a: FASTEST[a](keys, blocks) ^ np.uint64(1) for a in Algorithm}
    with pytest.raises(KernelDisagrees) as found:
        right_tacs(of, keys, broken)
    assert keys[0].tobytes().hex() not in str(found.value)


def test_a_message_laid_out_wrongly_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second hand does not read the kernel's message."""
    columns, keys = tacs(50, 11)
    broken = {a: lambda keys, blocks, a=a: FASTEST[a](keys, blocks ^ np.uint64(256)) for a in Algorithm}
    of = TacColumns(**columns)
    with pytest.raises(KernelDisagrees):
        right_tacs(of._replace(tac=compute_tacs(of, keys, broken)), keys, broken)


WITHOUT_NUMBA = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
sys.meta_path.insert(0, Blocker())
import numpy as np
from clearing.verification.bulk import TacColumns, compute_tacs, right_tacs
from clearing.verification.kernels.choice import FASTEST, PLAIN
from clearing.verification.tac_columns import FIELD_BITS
assert FASTEST is PLAIN
columns = {name: np.arange(9) for name in FIELD_BITS} | {"load": np.arange(9) % 2 == 0}
of, keys = TacColumns(**columns), np.arange(144, dtype=np.uint8).reshape(9, 16)
assert right_tacs(of._replace(tac=compute_tacs(of, keys)), keys).all()
assert "numba" not in sys.modules
"""


def test_without_numba_the_plain_kernels_serve() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_NUMBA], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
