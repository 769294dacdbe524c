"""A kernel for each algorithm: those that work everywhere, and the fastest that work here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from card_os.crypto.suites import Algorithm
from clearing.verification.kernels.des import plain as des_plain
from clearing.verification.kernels.kernel import Kernel
from clearing.verification.kernels.sm4 import plain as sm4_plain

Kernels: TypeAlias = Mapping[Algorithm, Kernel]

PLAIN: Kernels = MappingProxyType({Algorithm.TRIPLE_DES: des_plain.macs, Algorithm.SM4: sm4_plain.macs})
COMPILER = frozenset({"numba", "llvmlite"})


def _fastest() -> Kernels:
    try:
        from clearing.verification.kernels.des import fast as des_fast
        from clearing.verification.kernels.sm4 import fast as sm4_fast
    except ModuleNotFoundError as error:
        if error.name not in COMPILER:
            raise
        return PLAIN
    return MappingProxyType({Algorithm.TRIPLE_DES: des_fast.macs, Algorithm.SM4: sm4_fast.macs})


FASTEST: Kernels = _fastest()
"""Compiled for this processor; ``PLAIN`` where numba is not installed."""
