"""The S-box of SM4 on every byte of a vector at once, by what a processor offers. Emitted as LLVM instructions.

GFNI has the inverse in AES' field and affine maps of it; AES-NI has AES' S-box, and the affine maps are then two look-ups of
half a byte each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

import llvmlite.binding
from llvmlite import ir

from clearing.verification.kernels.sm4.field import Map, after_aes_s_box, s_box

_BYTE, _DOUBLE, _LONG = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_SHUFFLE_ROWS_BACK: Final = tuple(row + 4 * ((column - row) % 4) for column in range(4) for row in range(4))

Substitution: TypeAlias = Callable[[Any, Any], Any]
"""LLVM builder and a vector of 32-bit words to the same with the S-box applied to each byte."""


class Gfni512(NamedTuple):
    """Kernels are compiled for the type; ``words`` are those of 32 bits in a vector."""

    words: int = 16


class Gfni256(NamedTuple):
    words: int = 8


class AesNi(NamedTuple):
    words: int = 4


Processor: TypeAlias = Gfni512 | Gfni256 | AesNi

NEEDS: Final[dict[Processor, frozenset[str]]] = {
    Gfni512(): frozenset({"gfni", "avx512f", "avx512bw"}),
    Gfni256(): frozenset({"gfni", "avx2"}),
    AesNi(): frozenset({"aes", "ssse3"}),
}
"""By speed, the fastest first; names are LLVM's."""


def this_processor() -> Processor | None:
    """The fastest way this one has; None: neither GFNI nor AES-NI."""
    has = {name for name, there in llvmlite.binding.get_host_cpu_features().items() if there}
    return next((processor for processor, needs in NEEDS.items() if needs <= has), None)


def substitution(processor: type[Processor]) -> Substitution:
    return {Gfni512: _by_gfni, Gfni256: _by_gfni, AesNi: _by_aes}[processor]


def _by_gfni(build: Any, words: Any) -> Any:
    octets = ir.VectorType(_BYTE, 4 * words.type.count)
    box, bits = _maps()[0], 8 * octets.count
    affine = called(build, f"llvm.x86.vgf2p8affineqb.{bits}", octets, [octets, octets, _BYTE])
    affine_of_inverse = called(build, f"llvm.x86.vgf2p8affineinvqb.{bits}", octets, [octets, octets, _BYTE])
    value = affine(build.bitcast(words, octets), *_matrix(box.before, octets))
    return build.bitcast(affine_of_inverse(value, *_matrix(box.after, octets)), words.type)


def _matrix(affine: Map, octets: Any) -> tuple[Any, Any]:
    """As GF2P8AFFINEQB takes it (Intel SDM volume 2): eight rows, that of bit 7 first, repeated for each eight bytes."""
    columns = [affine[1 << bit] ^ affine[0] for bit in range(8)]
    rows = [sum((column >> bit & 1) << place for place, column in enumerate(columns)) for bit in range(7, -1, -1)]
    return ir.Constant(octets, rows * (octets.count // 8)), ir.Constant(_BYTE, affine[0])


def _by_aes(build: Any, words: Any) -> Any:
    octets, halves = ir.VectorType(_BYTE, 16), ir.VectorType(_LONG, 2)
    box, after = _maps()
    last_round = called(build, "llvm.x86.aesni.aesenclast", halves, [halves, halves])
    value = _by_nibbles(build, box.before, build.bitcast(words, octets))
    value = last_round(build.bitcast(value, halves), ir.Constant(halves, [0, 0]))
    back = ir.Constant(ir.VectorType(_DOUBLE, 16), list(_SHUFFLE_ROWS_BACK))
    value = build.bitcast(value, octets)
    value = build.shuffle_vector(value, value, back)
    return build.bitcast(_by_nibbles(build, after, value), words.type)


def _by_nibbles(build: Any, affine: Map, octets: Any) -> Any:
    kind = octets.type
    look_up = called(build, "llvm.x86.ssse3.pshuf.b.128", kind, [kind, kind])
    low = ir.Constant(kind, [affine[nibble] for nibble in range(16)])
    high = ir.Constant(kind, [affine[nibble << 4] ^ affine[0] for nibble in range(16)])
    of_low = look_up(low, build.and_(octets, ir.Constant(kind, [0x0F] * 16)))
    return build.xor(of_low, look_up(high, build.lshr(octets, ir.Constant(kind, [4] * 16))))


def called(build: Any, name: str, result: Any, parameters: list[Any]) -> Callable[..., Any]:
    """An instruction of LLVM by its name."""
    function = build.module.globals.get(name) or ir.Function(build.module, ir.FunctionType(result, parameters), name)
    return lambda *given: build.call(function, list(given))


@cache
def _maps() -> tuple[Any, Map]:
    box = s_box()
    return box, after_aes_s_box(box.after)
