"""Progress on the terminal: a bar for what can be counted, a line for what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

T = TypeVar("T")


class Progress:
    """Bars on ``console``; on one that is no terminal a line when each step is done."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """The last bars stay as they are; what is printed next comes below them."""
        self._bars.stop()

    def over(self, what: str, items: Iterator[T], total: int) -> Iterator[T]:
        """``items`` again, counted."""
        return iter(self._bars.track(items, total=total, description=what))

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        task = self._bars.add_task(what, total=1)
        yield
        self._bars.advance(task)
