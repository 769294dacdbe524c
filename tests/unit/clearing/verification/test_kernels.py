"""MAC kernels against cryptography, lane by lane: every length around a word, a vector and a chunk."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import llvmlite.binding
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_os.crypto import des, mac, sm4
from clearing.verification.kernels.des import circuits, wiring
from clearing.verification.kernels.des import fast as des_fast
from clearing.verification.kernels.des import plain as des_plain
from clearing.verification.kernels.des.circuits import WrongCircuit
from clearing.verification.kernels.kernel import Kernel
from clearing.verification.kernels.sm4 import by_tables, field, processors, tables
from clearing.verification.kernels.sm4 import fast as sm4_fast
from clearing.verification.kernels.sm4 import plain as sm4_plain

DES_KERNELS = [pytest.param(des_plain.macs, id="des-plain"), pytest.param(des_fast.macs, id="des-fast")]
SM4_KERNELS = [
    pytest.param(sm4_plain.macs, id="sm4-plain"),
    pytest.param(sm4_fast.macs, id="sm4-fast"),
    pytest.param(by_tables.macs, id="sm4-by-tables"),
]


def offered() -> set[str]:
    return {name for name, there in llvmlite.binding.get_host_cpu_features().items() if there}


def processor_kernel(processor: type[processors.Processor]) -> Any:
    missing = processors.NEEDS[processor] - offered()
    marks = [pytest.mark.skip(reason=f"this processor has no {', '.join(missing)}")] if missing else []
    return pytest.param(sm4_fast.kernel_for(processor()), id=f"sm4-{processor.__name__}", marks=marks)


SM4_KERNELS += [processor_kernel(processor) for processor in processors.NEEDS]


def words(octets: Any) -> Any:
    """(n, bytes) to (words, n)."""
    return np.ascontiguousarray(octets.view(">u8").T, dtype=np.uint64)


def records(algorithm: ModuleType, count: int, blocks: int, seed: int) -> tuple[Any, Any, list[int]]:
    random = np.random.default_rng(seed)
    keys = random.integers(0, 256, (count, algorithm.BLOCK), dtype=np.uint8)
    messages = random.integers(0, 256, (count, blocks * algorithm.BLOCK), dtype=np.uint8)
    cbc_mac = mac.cbc_mac if algorithm is des else sm4.cbc_mac
    macs = [cbc_mac(key.tobytes(), message.tobytes()) for key, message in zip(keys, messages, strict=True)]
    return words(keys), words(messages), [int.from_bytes(one[:4]) for one in macs]


@pytest.mark.parametrize("blocks", [1, 3, 4])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 511, 512, 513, 1500])
@pytest.mark.parametrize("kernel", DES_KERNELS)
def test_des_is_equal_to_cryptography(kernel: Kernel, count: int, blocks: int) -> None:
    keys, messages, macs = records(des, count, blocks, seed=count)
    assert kernel(keys, messages).tolist() == macs


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 63, 64, 65, 129, 700])
@pytest.mark.parametrize("kernel", SM4_KERNELS)
def test_sm4_is_equal_to_cryptography(kernel: Kernel, count: int, blocks: int) -> None:
    keys, messages, macs = records(sm4, count, blocks, seed=count)
    assert kernel(keys, messages).tolist() == macs


@pytest.mark.parametrize("kernel", SM4_KERNELS)
def test_the_standards_own_example(kernel: Kernel) -> None:
    """GB/T 32907-2016 annex A.1: one block under itself."""
    block = words(np.frombuffer(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), np.uint8).reshape(1, 16))
    assert kernel(block, block).tolist() == [0x681EDF34]


@settings(deadline=None, max_examples=30)
@given(data=st.data(), blocks=st.integers(1, 4))
def test_any_keys_and_blocks(data: st.DataObject, blocks: int) -> None:
    """Bytes that random numbers seldom have: all zeros, all ones, one bit."""
    of_records = st.lists(
        st.tuples(st.binary(min_size=16, max_size=16), st.binary(min_size=16 * blocks, max_size=16 * blocks)),
        min_size=1,
        max_size=70,
    )
    given_ = data.draw(of_records)
    keys, messages = (
        np.frombuffer(b"".join(part), np.uint8).reshape(len(given_), -1) for part in zip(*given_, strict=True)
    )
    expected = [int.from_bytes(sm4.cbc_mac(key, message)[:4]) for key, message in given_]
    of_des = [int.from_bytes(mac.cbc_mac(key[:8], message)[:4]) for key, message in given_]
    for kernel in (sm4_plain.macs, sm4_fast.macs):
        assert kernel(words(keys), words(messages)).tolist() == expected
    for kernel in (des_plain.macs, des_fast.macs):
        assert kernel(words(keys)[:1], words(messages)).tolist() == of_des


@pytest.mark.parametrize(
    ("module", "name", "size", "algorithm"),
    [(des_plain, "CHUNK_WORDS", 2, des), (sm4_plain, "CHUNK", 128, sm4)],
    ids=["des", "sm4"],
)
def test_a_chunk_and_more(
    module: Any, name: str, size: int, algorithm: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, size)
    keys, messages, macs = records(algorithm, 300, 3, 11)
    assert module.macs(keys, messages).tolist() == macs


@pytest.mark.parametrize(
    ("kernel", "algorithm"), [(des_plain.macs, des), (des_fast.macs, des), (sm4_plain.macs, sm4), (sm4_fast.macs, sm4)]
)
def test_what_a_kernel_is_given_stays_as_it_is(kernel: Kernel, algorithm: ModuleType) -> None:
    keys, messages, _ = records(algorithm, 600, 2, 3)
    before = keys.copy(), messages.copy()
    kernel(keys, messages)
    assert (keys == before[0]).all()
    assert (messages == before[1]).all()


def test_maps_that_make_another_s_box_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert field.s_box()
    monkeypatch.setattr(field, "S_BOX", tables.S_BOX[:-1] + b"\x00")
    with pytest.raises(field.WrongSBox):
        field.s_box()


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"gfni", "avx512f", "avx512bw", "avx2", "aes", "ssse3"}, processors.Gfni512),
        ({"gfni", "avx2", "aes", "ssse3"}, processors.Gfni256),
        ({"avx2", "vaes", "aes", "ssse3"}, processors.Vaes256),
        ({"avx2", "avx512f", "avx512bw", "aes", "ssse3"}, processors.AesNi),
        ({"sse2"}, type(None)),
    ],
)
def test_the_fastest_way_of_a_processor(features: set[str], expected: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        llvmlite.binding, "get_host_cpu_features", lambda: dict.fromkeys(features, True) | {"neon": False}
    )
    assert type(processors.this_processor()) is expected


def test_the_s_boxes_are_the_standards() -> None:
    """FIPS 46-3's own example: input 011011 of S1 gives 0101. And each row of each box has every number once."""
    assert wiring.s_box(0, 0b011011) == 0b0101
    for box in range(8):
        assert sorted(wiring.s_box(box, bits) for bits in range(64)) == sorted([*range(16)] * 4)


def test_gates_that_make_another_box_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = wiring.s_box
    monkeypatch.setattr(circuits, "s_box", lambda box, bits: right(box, bits) ^ (bits == 17))
    circuits.circuit.cache_clear()
    with pytest.raises(WrongCircuit, match=r"s1\.txt: signal"):
        circuits.circuit(0)
    circuits.circuit.cache_clear()
