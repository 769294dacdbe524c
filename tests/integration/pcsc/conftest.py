"""Virtual readers under a real pcscd, and a personalised card to put into them.

A test here skips, naming what is missing, where the machine has no PC/SC. Each pytest worker starts a pcscd of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from card_os.engine import ByteCard
from simulator.softcard.daemon import DaemonUnavailable, ReaderPair, VirtualReaders, private_readers
from simulator.softcard.demonstration import demonstration_memory, powered
from simulator.softcard.memory import CardMemory


@pytest.fixture(scope="session")
def readers() -> Iterator[VirtualReaders]:
    try:
        with private_readers(pairs=4) as running:
            yield running
    except DaemonUnavailable as missing:
        pytest.skip(str(missing))


@pytest.fixture
def pair(readers: VirtualReaders) -> ReaderPair:
    return readers.pairs[0]


@pytest.fixture
def tool() -> Callable[[str], str]:
    """Path of a program, or a skip that names its Debian package."""
    packages = {"opensc-tool": "opensc", "pcsc_scan": "pcsc-tools", "scriptor": "pcsc-tools"}
    packages |= dict.fromkeys(("opensc-explorer", "piv-tool", "pkcs11-tool", "pkcs15-tool"), "opensc")

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is missing: install the Debian package {packages[name]}")
        return path

    return find


@cache
def _cells(number: int) -> bytes:
    return demonstration_memory(number).content


@pytest.fixture
def make_card() -> Callable[[int], ByteCard]:
    """A personalised citizen card of that number, each time in the state it left the office."""
    return lambda number: powered(CardMemory(_cells(number)), number)
