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
_LANE = 16  # bytes of a vector that AES' round and a look-up by nibbles keep to
_LAST_ROUND = {16: "llvm.x86.aesni.aesenclast", 32: "llvm.x86.aesni.aesenclast.256"}
_LOOK_UP = {16: "llvm.x86.ssse3.pshuf.b.128", 32: "llvm.x86.avx2.pshuf.b"}
_SHUFFLE_ROWS_BACK: Final = tuple(row + 4 * ((column - row) % 4) for column in range(4) for row in range(4))

Substitution: TypeAlias = Callable[[Any, Any], Any]
"""LLVM builder and a vector of 32-bit words to the same with the S-box applied to each byte."""


class Gfni512(NamedTuple):
    """Kernels are compiled for the type; ``words`` are those of 32 bits in a vector."""

    words: int = 16


class Gfni256(NamedTuple):
    words: int = 8


class Vaes256(NamedTuple):
    words: int = 8


class AesNi(NamedTuple):
    words: int = 4


Processor: TypeAlias = Gfni512 | Gfni256 | Vaes256 | AesNi

NEEDS: Final[dict[type[Processor], frozenset[str]]] = {
    Gfni512: frozenset({"gfni", "avx512f", "avx512bw"}),
    Gfni256: frozenset({"gfni", "avx2"}),
    Vaes256: frozenset({"vaes", "avx2"}),
    AesNi: frozenset({"aes", "ssse3"}),
}
"""By speed, the fastest first; names are LLVM's."""


def this_processor() -> Processor | None:
    """The fastest way this one has; None: neither GFNI nor AES-NI."""
    has = {name for name, there in llvmlite.binding.get_host_cpu_features().items() if there}
    return next((processor() for processor, needs in NEEDS.items() if needs <= has), None)


def substitution(processor: type[Processor]) -> Substitution:
    return {Gfni512: _by_gfni, Gfni256: _by_gfni, Vaes256: _by_aes, AesNi: _by_aes}[processor]


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
    count = 4 * words.type.count
    octets, halves = ir.VectorType(_BYTE, count), ir.VectorType(_LONG, count // 8)
    box, after = _maps()
    last_round = called(build, _LAST_ROUND[count], halves, [halves, halves])
    value = _by_nibbles(build, box.before, build.bitcast(words, octets))
    value = last_round(build.bitcast(value, halves), ir.Constant(halves, [0] * halves.count))
    places = [lane + place for lane in range(0, count, _LANE) for place in _SHUFFLE_ROWS_BACK]
    value = build.bitcast(value, octets)
    value = build.shuffle_vector(value, value, ir.Constant(ir.VectorType(_DOUBLE, count), places))
    return build.bitcast(_by_nibbles(build, after, value), words.type)


def _by_nibbles(build: Any, affine: Map, octets: Any) -> Any:
    kind = octets.type
    look_up = called(build, _LOOK_UP[kind.count], kind, [kind, kind])
    lanes = kind.count // _LANE
    low = ir.Constant(kind, [affine[nibble] for nibble in range(16)] * lanes)
    high = ir.Constant(kind, [affine[nibble << 4] ^ affine[0] for nibble in range(16)] * lanes)
    of_low = look_up(low, build.and_(octets, ir.Constant(kind, [0x0F] * kind.count)))
    return build.xor(of_low, look_up(high, build.lshr(octets, ir.Constant(kind, [4] * kind.count))))


def called(build: Any, name: str, result: Any, parameters: list[Any]) -> Callable[..., Any]:
    """An instruction of LLVM by its name."""
    function = build.module.globals.get(name) or ir.Function(build.module, ir.FunctionType(result, parameters), name)
    return lambda *given: build.call(function, list(given))


@cache
def _maps() -> tuple[Any, Map]:
    box = s_box()
    return box, after_aes_s_box(box.after)
