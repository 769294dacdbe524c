"""How kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """By numba, on the first call: without the interpreter's lock, without a look at array bounds. What was compiled is kept
    beside the function's file, or in numba's cache folder where that may not be written, until that file changes: whoever
    changes a constant of another file that a kernel names touches the kernel's file too."""
    made: Any = numba.njit(nogil=True, cache=True, boundscheck=False)(function)
    return cast("F", made)
