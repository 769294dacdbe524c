"""One small city's day, played once for all tests of this folder; its services run until the last of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from simulator.city.progress import Progress
from simulator.city.readers import ReaderKind
from simulator.city.run import Order, Played, played

SEED, CARDS, TAPS = 11, 24, 60


def order(folder: Path) -> Order:
    return Order(seed=SEED, cards=CARDS, taps=TAPS, readers=ReaderKind.IN_PROCESS, vault="software", folder=folder)


def quiet() -> Progress:
    return Progress(Console(quiet=True))


@pytest.fixture(scope="package")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with played(order(tmp_path_factory.mktemp("city")), quiet()) as result:
        yield result
