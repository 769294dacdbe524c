"""The counter's side of the relay: a reader here, the service at the far end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
from websockets.sync.client import ClientConnection, connect

from hardware.readers.connection import Connection
from hardware.readers.relay import answer
from issuing.counter.messages import Result

PATH = "/counter/personalisation"


class CounterClient:
    """Presents one chip after the other over one WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def personalise(self, card: Connection, application: str | None = None) -> Result:
        """Relay ``card`` until the service says how it ended."""
        self._socket.send(json.dumps({"present": {"application": application}}))
        while "result" not in (message := json.loads(self._socket.recv())):
            self._socket.send(json.dumps(answer(message, card)))
        return Result.model_validate(message["result"])


@contextmanager
def counter(client: httpx.Client) -> Iterator[CounterClient]:
    """A counter's connection with the session ``client`` is signed in with."""
    base = urlsplit(str(client.base_url))
    scheme = "wss" if base.scheme == "https" else "ws"
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)
    headers = {"Cookie": cookies}
    # Every APDU is a round trip of small messages: compressing them only costs time.
    with connect(
        f"{scheme}://{base.netloc}{PATH}", additional_headers=headers, compression=None, proxy=None, max_size=2**20
    ) as socket:
        yield CounterClient(socket)
