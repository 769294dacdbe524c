"""What goes wrong in a rough city: cards leave too early, answers are lost, terminals have no network, a service is killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import httpx

PULLED_SHARE = 0.05  # of bus taps
LOST_SHARE = 0.03  # of answers to terminals
OFFLINE_SHARE = 0.3  # of a terminal's contacts
KILLED_SHARE = 0.1  # of closes: clearing dies in the middle of one


class LossyLine(httpx.BaseTransport):
    """Requests arrive; ``share`` of the answers does not, while people are at work."""

    def __init__(self, random: Random, share: float) -> None:
        self.lost = 0
        self._random = random
        self._share = share
        self._rough = False
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if self._rough and self._random.random() < self._share:
            response.read()
            response.close()
            self.lost += 1
            raise httpx.ReadTimeout("the answer was lost", request=request)
        return response

    def close(self) -> None:
        self._inner.close()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Only while people ride and pay."""
        self._rough = True
        try:
            yield
        finally:
            self._rough = False

    @contextmanager
    def resting(self) -> Iterator[None]:
        """In between, every answer arrives."""
        self._rough = False
        try:
            yield
        finally:
            self._rough = True
