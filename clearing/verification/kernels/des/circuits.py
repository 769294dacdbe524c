"""The S-boxes as gates over whole words: 64 records to a word, no look-up that depends on data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from functools import cache
from importlib.resources import files

from clearing.verification.kernels.des.wiring import s_box

INPUTS = 6
_ALL = (1 << 64) - 1


@unique
class Gate(Enum):
    XOR = "xor"
    AND = "and"
    OR = "or"
    AND_NOT = "and not"  # left and not right


@dataclass(frozen=True, slots=True)
class Step:
    """Signals 0 to 5 are the inputs; a step's own is ``signal``."""

    signal: int
    gate: Gate
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Circuit:
    """``outputs``: for each output bit, most significant first, its signal and whether that is its complement."""

    steps: tuple[Step, ...]
    outputs: tuple[tuple[int, bool], ...]


class WrongCircuit(ValueError):
    """The gates do not make this S-box."""


# senses of (left, right) that an AND takes complemented
_SENSES = {2: (False, False), 3: (True, False), 4: (False, True), 5: (True, True)}
_XOR = 1


@cache
def circuit(box: int) -> Circuit:
    """Of S-box 0 to 7, every input tried. Raises ``WrongCircuit``."""
    lines = (files(__package__) / "sboxes" / f"s{box + 1}.txt").read_text("ascii").splitlines()
    wanted, *gates = [list(map(int, line.split())) for line in lines]
    complemented = dict.fromkeys(range(INPUTS), False)
    steps = []
    for signal, operation, left, right, *_ in gates:
        step, complemented[signal] = _step(signal, operation, left, right, complemented)
        steps.append(step)
    return Circuit(tuple(steps), _outputs(steps, wanted, box))


def _step(signal: int, operation: int, left: int, right: int, held: dict[int, bool]) -> tuple[Step, bool]:
    """The gate over signals as they are held, and whether it makes the complement: no NOT is ever needed."""
    if operation == _XOR:
        return Step(signal, Gate.XOR, left, right), held[left] ^ held[right]
    not_left, not_right = (sense ^ held[of] for sense, of in zip(_SENSES[operation], (left, right), strict=True))
    if not_left and not_right:
        return Step(signal, Gate.OR, left, right), True
    if not_left:
        left, right = right, left
    return Step(signal, Gate.AND_NOT if not_left or not_right else Gate.AND, left, right), False


def _outputs(steps: list[Step], wanted: list[int], box: int) -> tuple[tuple[int, bool], ...]:
    """The search left open which outputs come complemented; trying every input tells, and whether they are right at all."""
    values = {bit: sum(1 << inputs for inputs in range(64) if inputs >> (5 - bit) & 1) for bit in range(INPUTS)}
    for step in steps:
        left, right = values[step.left], values[step.right]
        values[step.signal] = {
            Gate.XOR: left ^ right,
            Gate.AND: left & right,
            Gate.OR: left | right,
            Gate.AND_NOT: left & ~right & _ALL,
        }[step.gate]
    outputs = []
    for bit, signal in enumerate(wanted):
        right = sum(1 << inputs for inputs in range(64) if s_box(box, inputs) >> (3 - bit) & 1)
        if values[signal] not in (right, right ^ _ALL):
            raise WrongCircuit(f"sboxes/s{box + 1}.txt: signal {signal} is not output bit {bit} of S-box {box + 1}")
        outputs.append((signal, values[signal] != right))
    return tuple(outputs)
