"""How the C library should keep memory for clearing's process; it reads this once, before Python starts.

A day in columns asks for arrays of megabytes and lets them go thousands of times. By default each goes back to the system, and
on a virtual machine on to its host: taking it again costs more than the work done in it (benchmarks/day.py). So freed memory
is kept for the next array, in large pages, and threads share two heaps. Elsewhere than on glibc it does nothing.
"""

from __future__ import annotations

ENVIRONMENT = {
    "GLIBC_TUNABLES": ":".join(
        (
            "glibc.malloc.hugetlb=1",
            f"glibc.malloc.mmap_threshold={1 << 30}",
            f"glibc.malloc.trim_threshold={1 << 33}",
            "glibc.malloc.arena_max=2",
        )
    )
}
